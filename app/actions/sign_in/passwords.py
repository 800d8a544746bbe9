"""Passwords of users: which are accepted, how they are kept (argon2id) and how they are checked."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.actions.limits.costly import Turns
from app.actions.sign_in.breached_passwords import BreachedPasswords
from app.errors import Invalid

SHORTEST = 12  # characters
LONGEST = 200
COMMON = 10_000_000  # guesses: a list of common passwords, with the usual digits and signs hung on, is shorter
FEWEST_DIFFERENT = 4  # characters that it must have without the user's own names as well
JUDGED = 32  # characters that are estimated; more only make it stronger
MOST_LEET = 6  # different signs and digits that may stand for letters: nobody spells a word with more
LEET_SIGNS = frozenset("!$%(+<@[{|")  # what zxcvbn takes for letters, at twice the work for some of them
LEET = LEET_SIGNS | frozenset("0123456789")  # digits are left as they are: they make dates and rows
PRIVATE_USE = 0xE000  # where a sign that stands for no letter goes: it is as hard to guess as before
SHORTEST_WORD = 3  # characters of a word of this place
PRODUCT = "latchkey"
AT_ONCE = 4  # hashes, of 19 MiB each
WAITING = 2  # requests that wait for one of these: the other threads answer what costs less
PATIENCE = 2.0  # seconds for which they wait
_ESTIMATING = Turns(1, WAITING, PATIENCE)  # zxcvbn keeps the words of a call where another one would read them
NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + 43 * "A"  # nothing known hashes to zeros


class Passwords:
    """Hashes are slow and large on purpose: no more than `at_once` of them run at any moment."""

    def __init__(self, at_once: int = AT_ONCE, issuer: str = "", breached: BreachedPasswords | None = None) -> None:
        """The words of the issuer's host make no password, nor does what stands among the `breached`."""
        self._words = words_in(PRODUCT, _below_the_top(urlsplit(issuer).hostname or ""))
        self._breached = breached or BreachedPasswords(None)
        self._hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)  # KiB
        self._turn = Turns(at_once, WAITING, PATIENCE)

    def accept(self, password: str, *names: str | None) -> str:
        """Give the hash of a new password; `names` are the user's own.

        Raises Invalid: too short, too long, common, made of the names and words of this place, or breached; and Busy.
        """
        if not SHORTEST <= len(password) <= LONGEST:
            raise Invalid.field("password", f"must have {SHORTEST} to {LONGEST} characters")
        if self._is_common(password, words_in(*names)) or password in self._breached:
            raise Invalid.field("password", "is too common: choose one that nobody else would")
        return self.hash(password)

    def _is_common(self, password: str, own: frozenset[str]) -> bool:
        """Estimate once what is left without the words of this place: it must be a password by itself."""
        words = self._words | own
        return _is_trivial(_without(words, password)) or _estimate(_without(self._words, password), words) < COMMON

    def hash(self, password: str) -> str:
        """Give the hash of a password that somebody else has judged."""
        with self._turn():
            return self._hasher.hash(_normal(password))

    def verify(self, kept: str | None, password: str) -> bool:
        """Return whether this is the password; without a hash it takes as long and is not. Raises Busy."""
        with self._turn():
            try:
                right = self._hasher.verify(kept or NOBODY, _normal(password[:LONGEST]))
            except (VerificationError, InvalidHashError):
                return False
        return right and len(password) <= LONGEST


def words_in(*names: str | None) -> frozenset[str]:
    """Give the words of some names, in lower case, the names themselves with them; short ones are left out."""
    whole = [name.casefold() for name in names if name]
    parts = [part for name in whole for part in _separate_words(name).split()]
    return frozenset(word for word in (*whole, *parts) if len(word) >= SHORTEST_WORD)


def _below_the_top(host: str) -> str:
    return host.rpartition(".")[0] or host


def _separate_words(name: str) -> str:
    return "".join(c if c.isalnum() else " " for c in name)


def _without(words: Iterable[str], password: str) -> str:
    """Take these words out, the longest first, in whatever case they stand."""
    left = password
    for word in sorted(words, key=len, reverse=True):
        while (at := _lower(left).find(word)) >= 0:
            left = left[:at] + left[at + len(word) :]
    return left


def _lower(text: str) -> str:
    """Return as many characters in lower case: where that would be two, the capital is kept."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _is_trivial(rest: str) -> bool:
    """Return whether what is left of a password without known words is next to nothing, by a look-up."""
    from zxcvbn.matching import RANKED_DICTIONARIES

    return len(set(rest)) < FEWEST_DIFFERENT or rest.lower() in RANKED_DICTIONARIES["passwords"]


def _estimate(password: str, words: Iterable[str]) -> int:
    """Return the guesses that the beginning of a password takes; raise Busy. Called once a request: it is slow."""
    from zxcvbn import zxcvbn  # its word lists are loaded with the first password that is set, not at every start

    if not password:
        return 0
    with _ESTIMATING():
        return int(zxcvbn(_without_leet(password[:JUDGED]), [*words])["guesses"])


def _without_leet(password: str) -> str:
    """Return the password, without letters for signs where it has more different ones than a word would."""
    if len(LEET & set(password)) <= MOST_LEET:
        return password
    return password.translate({ord(sign): chr(PRIVATE_USE + ord(sign)) for sign in LEET_SIGNS})


def _normal(password: str) -> bytes:
    """Spell alike what looks alike, whatever keyboard typed it (RFC 8265 §4.2)."""
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
