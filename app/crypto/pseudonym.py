"""Pseudonyms for names that no user or client has: people type passwords and tokens in place of a name."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

LABEL = b"latchkey unknown names"
DIGITS = 16  # of the digest: enough to see that two attempts were equal
PATTERN = rf"unknown-[0-9]+-[0-9a-f]{{{DIGITS}}}"


class Pseudonyms:
    """The length of a name and a MAC of it, under a key that is derived from SECRET_KEY."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns SECRET_KEY first."""
        self._accepted = accepted

    def pseudonym_of(self, name: str, source: str) -> str:
        """Return `unknown-LENGTH-DIGEST`, the same for the same name from the same source (a network address).

        A guess cannot be confirmed with it: a copy of the database lacks the key, and sending the guess and reading
        the audit trail works only from the address where the name was typed.
        """
        key = hmac.digest(self._accepted()[0].encode(), LABEL, hashlib.sha256)
        text = f"{source}\n{name}".encode("utf-8", "surrogatepass")
        return f"unknown-{len(name)}-{hmac.digest(key, text, hashlib.sha256).hex()[:DIGITS]}"
