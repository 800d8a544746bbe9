"""Passwords of users: which are accepted, how they are kept (argon2id) and how they are checked."""

from __future__ import annotations

import threading
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import Invalid

SHORTEST = 12  # characters
LONGEST = 200
COMMON = 1_000_000  # guesses: a list of common passwords, with the usual digits and signs hung on, is shorter
JUDGED = 72  # characters that are estimated; more only make it stronger
AT_ONCE = 4  # hashes, of 19 MiB each
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + 43 * "A"  # nothing known hashes to zeros


class Passwords:
    """Hashes are slow and large on purpose: no more than `at_once` of them run at any moment."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # KiB
        self._turn = threading.BoundedSemaphore(at_once)

    def accept(self, password: str, *names: str | None) -> str:
        """Give the hash of a new password; `names` are the user's own. Raises Invalid: too short, too long, common."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise Invalid.field("password", f"must have {SHORTEST} to {LONGEST} characters")
        if password.casefold() in {name.casefold() for name in names if name} or _is_common(password):
            raise Invalid.field("password", "is too common: choose one that nobody else would")
        return self.hash(password)

    def hash(self, password: str) -> str:
        """Give the hash of a password that somebody else has judged."""
        with self._turn:
            return self._hasher.hash(_normal(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Tell whether this is the password; without a hash it takes as long and is not."""
        with self._turn:
            try:
                right = self._hasher.verify(kept or NOBODY, _normal(password[:LONGEST]))
            except (VerificationError, InvalidHashError):
                return False
        return right and len(password) <= LONGEST


def _is_common(password: str) -> bool:
    from zxcvbn import zxcvbn  # its word lists are loaded with the first password that is set, not at every start

    return bool(zxcvbn(password[:JUDGED])["guesses"] < COMMON)


def _normal(password: str) -> bytes:
    """Spell alike what looks alike, whatever keyboard typed it (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
