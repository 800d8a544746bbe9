"""The MAC by which the comparison's probes show this server that a failed sign-in is one of theirs."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

HEADER = "X-Latchkey-Probe"
NAMES = "compare-"  # prefix of the usernames of the comparison
WINDOW = 300  # seconds; a MAC is valid in its own window and the next
LABEL = b"latchkey comparison probe"


class ProbeMacs:
    """A MAC of the username and the time, under a key that is derived from SECRET_KEY.

    It is valid for one throwaway user: a copy lets one guess that user's password unrecorded, and no other.
    """

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns SECRET_KEY, and the earlier ones."""
        self._accepted = accepted

    def compute(self, username: str, at: datetime) -> str:
        """Return the MAC for a user of the comparison."""
        return _mac(self._accepted()[0], username, _window(at))

    def verify(self, mac: str, username: str, at: datetime) -> bool:
        """Return whether a MAC is this server's, for this user and this time."""
        if not mac or not username.startswith(NAMES):
            return False
        given, windows = mac.encode("utf-8", "surrogatepass"), (_window(at), _window(at) - 1)
        ours = [_mac(key, username, window).encode() for key in self._accepted() for window in windows]
        matches = [hmac.compare_digest(given, one) for one in ours]
        return any(matches)


def _window(at: datetime) -> int:
    return int(at.timestamp()) // WINDOW


def _mac(secret_key: str, username: str, window: int) -> str:
    key = hmac.digest(secret_key.encode(), LABEL, hashlib.sha256)
    return hmac.digest(key, f"{window} {username}".encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
