"""Denying a JWT before its time: by its jti, until it would have expired by itself."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from app.credentials.signing import RETIRING
from app.database import forget, insert_once
from app.models import RevokedToken


def deny(session: Session, jti: str, at: datetime) -> bool:
    """Deny a token within the caller's transaction; tells whether it stood until now. Forgets what has expired."""
    forget(session, RevokedToken, RevokedToken.expires_at <= at)
    return insert_once(session, RevokedToken, jti=jti, expires_at=at + RETIRING, revoked_at=at)
