"""Passwords of users: which are accepted, how they are kept (argon2id) and how they are checked."""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.actions.breached_passwords import BreachedPasswords
from app.errors import Invalid

SHORTEST = 12  # characters
LONGEST = 200
COMMON = 1_000_000  # guesses: a list of common passwords, with the usual digits and signs hung on, is shorter
WITHOUT_PLACE = 10_000_000  # guesses that it must take without the words of this place
WITHOUT_NAMES = 10_000  # and without the user's own names as well
JUDGED = 72  # characters that are estimated; more only make it stronger
SHORTEST_WORD = 3  # characters of a word of this place
PRODUCT = "latchkey"
AT_ONCE = 4  # hashes, of 19 MiB each
_ESTIMATING = threading.Lock()  # zxcvbn keeps the words of a call where another one would read them
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + 43 * "A"  # nothing known hashes to zeros


class Passwords:
    """Hashes are slow and large on purpose: no more than `at_once` of them run at any moment."""

    def __init__(self, at_once: int = AT_ONCE, issuer: str = "", breached: BreachedPasswords | None = None) -> None:
        """The words of the issuer's host make no password, nor does what stands among the `breached`."""
        self._words = words_in(PRODUCT, _below_the_top(urlsplit(issuer).hostname or ""))
        self._breached = breached or BreachedPasswords(None)
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # KiB
        self._turn = threading.BoundedSemaphore(at_once)

    def accept(self, password: str, *names: str | None) -> str:
        """Give the hash of a new password; `names` are the user's own.

        Raises Invalid: too short, too long, common, made of the names and words of this place, or breached.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise Invalid.field("password", f"must have {SHORTEST} to {LONGEST} characters")
        if self._is_common(password, words_in(*names)) or password in self._breached:
            raise Invalid.field("password", "is too common: choose one that nobody else would")
        return self.hash(password)

    def _is_common(self, password: str, own: frozenset[str]) -> bool:
        words = self._words | own
        return (
            _guesses(password, words) < COMMON
            or _guesses(_without(self._words, password), words) < WITHOUT_PLACE
            or _guesses(_without(words, password), words) < WITHOUT_NAMES
        )

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


def words_in(*names: str | None) -> frozenset[str]:
    """Give the words of some names, in lower case, the names themselves with them; short ones are left out."""
    whole = [name.casefold() for name in names if name]
    parts = [part for name in whole for part in re.split(r"[\W_]+", name)]
    return frozenset(word for word in (*whole, *parts) if len(word) >= SHORTEST_WORD)


def _below_the_top(host: str) -> str:
    return host.rpartition(".")[0] or host


def _without(words: Iterable[str], password: str) -> str:
    """Take these words out, the longest first: what is left must be a password by itself."""
    known = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    return re.sub(known, "", password, flags=re.IGNORECASE)


def _guesses(password: str, words: Iterable[str]) -> int:
    from zxcvbn import zxcvbn  # its word lists are loaded with the first password that is set, not at every start

    with _ESTIMATING:
        return int(zxcvbn(password[:JUDGED], [*words])["guesses"]) if password else 0


def _normal(password: str) -> bytes:
    """Spell alike what looks alike, whatever keyboard typed it (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
