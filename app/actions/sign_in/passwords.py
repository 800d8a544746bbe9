"""Users' passwords: the policy for new ones, hashing (argon2id) and verification."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.actions.limits.concurrency import ConcurrencyLimit
from app.actions.sign_in.breached_passwords import BreachedPasswords
from app.errors import Invalid

GENERATED = timedelta(days=7)  # how long a password is valid that this server generated (ASVS 6.4.1)
SHORTEST_PASSWORD = 12  # characters
LONGEST_PASSWORD = 200  # characters
COMMON = 10_000_000  # guesses: more than a list of common passwords with the usual digits and signs appended
FEWEST_DIFFERENT = 4  # characters that must remain without the user's own names
ESTIMATED = 32  # characters that are estimated; further ones only make it stronger
MOST_LEET = 6  # different signs and digits that may replace letters: no word is spelled with more
LEET_SIGNS = frozenset("!$%(+<@[{|")  # what zxcvbn reads as letters, at twice the work for some of them
LEET = LEET_SIGNS | frozenset("0123456789")  # digits are left as they are: they make dates and sequences
PRIVATE_USE = 0xE000  # replaces a sign that is not read as a letter: it is as hard to guess
SHORTEST_WORD = 3  # characters of a name or word that must not be in a password
PRODUCT = "latchkey"
AT_ONCE = 4  # hashes, of 19 MiB each
WAITING = 2  # requests that wait for one of these: the other threads answer cheaper requests
PATIENCE = 2.0  # seconds that they wait
_ESTIMATES = ConcurrencyLimit(1, WAITING, PATIENCE)  # zxcvbn keeps a call's words in a global: one at a time
NO_HASH = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + 43 * "A"  # the hash of no known password


class Passwords:
    """Hashes and checks passwords. A hash is slow and large on purpose, so at most `at_once` of them run together."""

    def __init__(self, at_once: int = AT_ONCE, issuer: str = "", breached: BreachedPasswords | None = None) -> None:
        """Refuse passwords made of the words of the issuer's host, and the `breached` ones."""
        self._words = words_in(PRODUCT, _without_top_level(urlsplit(issuer).hostname or ""))
        self._breached = breached or BreachedPasswords(None)
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # KiB
        self._limit = ConcurrencyLimit(at_once, WAITING, PATIENCE)

    def accept(self, password: str, *names: str | None) -> str:
        """Return the hash of a new password; `names` are the user's own.

        Raise Invalid for one that is too short, too long, common, breached, or made of the user's names and our words;
        and Busy.
        """
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise Invalid.field("password", f"must have {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters")
        if self._is_common(password, words_in(*names)) or password in self._breached:
            raise Invalid.field("password", "is too common: choose one that is harder to guess")
        return self.hash(password)

    def _is_common(self, password: str, own: frozenset[str]) -> bool:
        """Estimate what is left without our words, once: it must be a good password by itself."""
        words = self._words | own
        return _is_trivial(_without(words, password)) or _estimate(_without(self._words, password), words) < COMMON

    def hash(self, password: str) -> str:
        """Return the hash of a password without checking it against the policy."""
        with self._limit():
            return self._hasher.hash(_normalize(password))

    def verify(self, stored: str | None, password: str) -> bool:
        """Return whether this is the password; False in the same time when there is no hash. Raise Busy."""
        with self._limit():
            try:
                right = self._hasher.verify(stored or NO_HASH, _normalize(password[:LONGEST_PASSWORD]))
            except (VerificationError, InvalidHashError):
                return False
        return right and len(password) <= LONGEST_PASSWORD


def words_in(*names: str | None) -> frozenset[str]:
    """Return the words of some names and the names themselves, in lower case, without short ones."""
    whole = [name.casefold() for name in names if name]
    parts = [part for name in whole for part in _separate_words(name).split()]
    return frozenset(word for word in (*whole, *parts) if len(word) >= SHORTEST_WORD)


def _without_top_level(host: str) -> str:
    return host.rpartition(".")[0] or host


def _separate_words(name: str) -> str:
    return "".join(c if c.isalnum() else " " for c in name)


def _without(words: Iterable[str], password: str) -> str:
    """Remove these words, the longest first, in any case."""
    left = password
    for word in sorted(words, key=len, reverse=True):
        while (at := _lower(left).find(word)) >= 0:
            left = left[:at] + left[at + len(word) :]
    return left


def _lower(text: str) -> str:
    """Return the text in lower case with the same length: a capital with two lower-case characters is kept."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _is_trivial(rest: str) -> bool:
    """Return whether a password without its known words is too short or in the list of common passwords."""
    from zxcvbn.matching import RANKED_DICTIONARIES

    return len(set(rest)) < FEWEST_DIFFERENT or rest.lower() in RANKED_DICTIONARIES["passwords"]


def _estimate(password: str, words: Iterable[str]) -> int:
    """Return the guesses that the start of a password takes; raise Busy. It is slow: call it once per request."""
    from zxcvbn import zxcvbn  # its word lists are loaded with the first new password, not at every start

    if not password:
        return 0
    with _ESTIMATES():
        return int(zxcvbn(_without_leet(password[:ESTIMATED]), [*words])["guesses"])


def _without_leet(password: str) -> str:
    """Replace the signs that zxcvbn reads as letters, where a password has more of them than a word would."""
    if len(LEET & set(password)) <= MOST_LEET:
        return password
    return password.translate({ord(sign): chr(PRIVATE_USE + ord(sign)) for sign in LEET_SIGNS})


def _normalize(password: str) -> bytes:
    """Return one spelling of passwords that look alike, whatever keyboard typed them (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
