"""Keep the digests of replaced secrets that no other row stores, so that their use is recognized for a time."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Exists, bindparam, delete, exists, select
from sqlalchemy.orm import Session

from app.crypto.opaque import digest
from app.database.statements import SWEPT, add_row, delete_expired
from app.models import ReplacedSecret

KEPT = timedelta(days=400)  # how long a replaced secret is recognized
MOST = 50  # of one credential; the oldest are forgotten


def keep_replaced(session: Session, target: str, credential_id: str, of_old: str, hint: str, at: datetime) -> None:
    """Store the digest `of_old` within the caller's transaction; delete the credential's oldest, and expired rows."""
    delete_expired(session, ReplacedSecret, ReplacedSecret.replaced_at <= at - KEPT)
    of_credential = select(ReplacedSecret.digest).where(ReplacedSecret.credential_id == credential_id)
    newest_first = of_credential.order_by(ReplacedSecret.replaced_at.desc(), ReplacedSecret.digest)
    if beyond := session.scalars(newest_first.offset(MOST - 1).limit(SWEPT)).all():
        session.execute(delete(ReplacedSecret).where(ReplacedSecret.digest.in_(beyond)))
    add_row(
        session,
        ReplacedSecret,
        digest=of_old,
        target=target,
        credential_id=credential_id,
        hint=hint,
        replaced_at=at,
    )


def replaced_by_digest(target: str) -> Exists:
    """Return the condition that the parameter `digest` is that of a replaced secret of a credential of this kind."""
    return exists().where(ReplacedSecret.digest == bindparam("digest"), ReplacedSecret.target == target)


def find_replaced(session: Session, target: str, token: str) -> ReplacedSecret | None:
    """Return the replaced secret that this token is, of a credential of this kind; None for any other."""
    row = session.get(ReplacedSecret, digest(token))
    return row if row is not None and row.target == target else None
