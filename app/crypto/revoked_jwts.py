"""Revoke a JWT before it expires: its jti is stored until long after it would have expired by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.crypto.signing import RETIRING
from app.crypto.status_list import index_of
from app.database.statements import delete_expired, insert_once
from app.models import RevokedToken

MAX_CLOCK_ERROR = timedelta(days=30)  # by which a clock may be set back without a revoked token becoming active


def revoke_jwt(session: Session, jti: str, at: datetime) -> bool:
    """Revoke a JWT within the caller's transaction; return whether it was not revoked. Deletes expired rows.

    A trigger sets the bit of the index that the jti names.
    """
    delete_expired(session, RevokedToken, RevokedToken.expires_at <= at)
    number, idx = index_of(jti) or (None, None)
    return insert_once(
        session,
        RevokedToken,
        jti=jti,
        expires_at=at + RETIRING + MAX_CLOCK_ERROR,
        revoked_at=at,
        status_list=number,
        status_index=idx,
    )


def revocation_of(session: Session, jti: str) -> datetime | None:
    """Return when a JWT was revoked; None when it was not."""
    row = session.get(RevokedToken, jti)
    return None if row is None else row.revoked_at
