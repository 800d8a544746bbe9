"""Denying a JWT before its time: by its jti, until long after it would have expired by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from app.crypto.signing import RETIRING
from app.database.statements import delete_expired, insert_once
from app.models import RevokedToken

LASTING = timedelta(days=30)  # by which a clock may be wrong and a denied token still never comes back


def deny(session: Session, jti: str, at: datetime) -> bool:
    """Deny a token within the caller's transaction; tells whether it stood until now. Forgets what has expired."""
    delete_expired(session, RevokedToken, RevokedToken.expires_at <= at)
    return insert_once(session, RevokedToken, jti=jti, expires_at=at + RETIRING + LASTING, revoked_at=at)
