"""Codes of an authenticator app (TOTP, RFC 6238): set up by a first code, each step accepted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from app.crypto.seal import Seal
from app.database.statements import insert_once
from app.errors import BadSettings
from app.models import OneTimeCode

if TYPE_CHECKING:
    from pyotp import TOTP

DIGITS = 6
DRIFT = 1  # steps of 30 seconds that the app's clock may be wrong
LONGEST = 20  # characters that are read
ISSUER_NAME = "Latchkey"


class OneTimeCodes:
    """Checks codes; the database holds the secrets encrypted under SECRET_KEY."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns the secret keys, the current one first."""
        self._seal = Seal(accepted)

    def make(self) -> str:
        """Return a new secret, encrypted: it is stored once a code has confirmed it."""
        from pyotp import random_base32  # a server whose users have no app saves its memory

        return self._seal.close(random_base32().encode("ascii")).decode("ascii")

    def reveal(self, sealed: str) -> str | None:
        """Return the secret of a set-up, to show it; None for anything else than `make` returned."""
        try:
            return self._seal.open(sealed.encode("ascii", "replace")).decode("ascii")
        except BadSettings:
            return None

    def address(self, secret: str, username: str, server: str) -> str:
        """Return what the app reads from the picture."""
        return _totp(secret).provisioning_uri(name=username, issuer_name=f"{ISSUER_NAME} {server}")

    def confirm(self, session: Session, user_id: str, sealed: str, code: str, at: datetime) -> bool:
        """Store a new secret in place of any other, if this is a code of it."""
        secret = self.reveal(sealed)
        step = None if secret is None else _step_of(secret, code, at)
        if step is None:
            return False
        kept = {"sealed_secret": sealed.encode("ascii"), "created_at": at, "confirmed_at": at, "last_step": step}
        if not insert_once(session, OneTimeCode, user_id=user_id, **kept):
            session.execute(update(OneTimeCode).where(OneTimeCode.user_id == user_id).values(last_used_at=None, **kept))
        return True

    def spend(self, session: Session, user_id: str, code: str, at: datetime) -> bool:
        """Return whether this is a code of the user's app that was not accepted before (RFC 6238 §5.2).

        The row decides between two uses at once.
        """
        sealed = session.scalar(select(OneTimeCode.sealed_secret).where(OneTimeCode.user_id == user_id))
        step = None if sealed is None else _step_of(self._seal.open(sealed).decode("ascii"), code, at)
        if step is None:
            return False
        later = OneTimeCode.user_id == user_id, OneTimeCode.last_step < step
        spent = update(OneTimeCode).where(*later).values(last_step=step, last_used_at=at)
        return session.execute(spent.returning(OneTimeCode.user_id)).first() is not None


def delete_one_time_codes(session: Session, user_id: str) -> bool:
    """Delete the user's app; return whether there was one."""
    mine = delete(OneTimeCode).where(OneTimeCode.user_id == user_id)
    return session.execute(mine.returning(OneTimeCode.user_id)).first() is not None


def _totp(secret: str) -> TOTP:
    from pyotp import TOTP

    return TOTP(secret, digits=DIGITS)


def _step_of(secret: str, code: str, at: datetime) -> int | None:
    """Return the step that a code belongs to; None for a wrong one."""
    from pyotp.exceptions import OTPVerificationError

    digits = "".join(code[:LONGEST].split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdecimal()):
        return None
    try:
        return _totp(secret).verify_and_get_timecode(digits, for_time=at, valid_window=DRIFT)
    except OTPVerificationError:
        return None
