"""How the comparison's probes tell this server that a wrong password is theirs: by a mark that only it can make."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

HEADER = "X-Latchkey-Probe"
NAMES = "compare-"  # what the usernames of the comparison begin with
WINDOW = 300  # seconds; a mark is good in its own window and the next
LABEL = b"latchkey comparison probe"


class ProbeMarks:
    """A MAC of the username and the time, under a key that is derived from SECRET_KEY.

    It is good for one throwaway user alone: whoever sees it may guess that user's password, and hides nothing else.
    """

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` gives SECRET_KEY, and those before it."""
        self._accepted = accepted

    def mark(self, username: str, at: datetime) -> str:
        """Return the mark of a user of the comparison."""
        return _mac(self._accepted()[0], username, _window(at))

    def knows(self, mark: str, username: str, at: datetime) -> bool:
        """Return whether a mark is this server's, for this user and of now."""
        if not mark or not username.startswith(NAMES):
            return False
        given, windows = mark.encode("utf-8", "surrogatepass"), (_window(at), _window(at) - 1)
        ours = [_mac(key, username, window).encode() for key in self._accepted() for window in windows]
        matches = [hmac.compare_digest(given, one) for one in ours]
        return any(matches)


def _window(at: datetime) -> int:
    return int(at.timestamp()) // WINDOW


def _mac(secret_key: str, username: str, window: int) -> str:
    key = hmac.digest(secret_key.encode(), LABEL, hashlib.sha256)
    return hmac.digest(key, f"{window} {username}".encode("utf-8", "surrogatepass"), hashlib.sha256).hex()
