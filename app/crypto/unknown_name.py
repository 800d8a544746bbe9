"""What is kept of a name that nothing has: strangers send passwords and tokens in its place."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

LABEL = b"latchkey unknown names"
DIGITS = 16  # of the digest: enough to see that two attempts were equal
MARK = rf"unknown-[0-9]+-[0-9a-f]{{{DIGITS}}}"  # a pattern


class UnknownNames:
    """The length of a name and a MAC of it, under a key that is derived from SECRET_KEY."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` gives SECRET_KEY first."""
        self._accepted = accepted

    def mark(self, name: str, source: str) -> str:
        """Return `unknown-LENGTH-DIGEST`, the same for the same name from the same source (a network address).

        Nobody confirms a guess by it: not with a copy of the database, for want of the key, and not by sending the
        guess and reading the trail, which would have to come from the address where the name was typed.
        """
        key = hmac.digest(self._accepted()[0].encode(), LABEL, hashlib.sha256)
        text = f"{source}\n{name}".encode("utf-8", "surrogatepass")
        return f"unknown-{len(name)}-{hmac.digest(key, text, hashlib.sha256).hex()[:DIGITS]}"
