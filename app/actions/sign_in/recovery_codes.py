"""Recovery codes: ten at a time, shown once; each replaces a second factor once."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from app.crypto.opaque import digest
from app.models import RecoveryCode

MADE = 10
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # 32 characters, of which no two look alike
GROUPS, GROUP = 6, 4  # 120 bits: enough for a plain digest (ASVS 6.5.2)
LONGEST = 60  # characters that are read


def make_recovery_codes(session: Session, user_id: str, at: datetime) -> Sequence[str]:
    """Return new codes, in place of all that the user had."""
    codes = ["-".join(_random_group() for _ in range(GROUPS)) for _ in range(MADE)]
    delete_recovery_codes(session, user_id)
    session.add_all(RecoveryCode(digest=_digest(user_id, code), user_id=user_id, created_at=at) for code in codes)
    return codes


def spend_recovery_code(session: Session, user_id: str, code: str, at: datetime) -> bool:
    """Return whether this is an unused code of the user; the row decides between two uses at once."""
    unused = RecoveryCode.digest == _digest(user_id, code), RecoveryCode.used_at.is_(None)
    spent = update(RecoveryCode).where(*unused).values(used_at=at).returning(RecoveryCode.digest)
    return session.execute(spent).first() is not None


def count_recovery_codes(session: Session, user_id: str) -> int:
    """Count the unused codes."""
    mine = RecoveryCode.user_id == user_id, RecoveryCode.used_at.is_(None)
    return session.scalar(select(func.count()).select_from(RecoveryCode).where(*mine)) or 0


def delete_recovery_codes(session: Session, user_id: str) -> None:
    """Delete all codes of a user."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))


def _random_group() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(GROUP))


def _digest(user_id: str, code: str) -> str:
    """Return the digest of a code, however it was typed: with or without dashes, in any case."""
    typed = code[:LONGEST].lower().replace("o", "0").replace("i", "1").replace("l", "1")
    return digest(f"{user_id}\n{''.join(character for character in typed if character in ALPHABET)}")
