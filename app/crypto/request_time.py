"""The moment of a request, as a mark that the request carries through the sign-in form: nothing is stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from app.database.types import EPOCH, MICROSECOND

LABEL = b"latchkey time of an authorization request"
VALID = timedelta(hours=1)  # a user may take so long to sign in


class RequestTimes:
    """A time and its MAC together with the request, under a key that is derived from SECRET_KEY."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns SECRET_KEY, and the earlier ones, whose marks are still valid."""
        self._accepted = accepted

    def mark(self, request: str, at: datetime) -> str:
        """Return the mark of a request that arrives at this moment."""
        moment = str((at - EPOCH) // MICROSECOND)
        return f"{moment}.{_mac(self._accepted()[0], moment, request)}"

    def read(self, mark: str, request: str, now: datetime) -> datetime | None:
        """Return the moment of a mark; None if it is not ours, of another request, or too old."""
        moment, _, mac = mark.partition(".")
        presented = mac.encode("utf-8", "surrogatepass")
        ours = [_mac(key, moment, request).encode() for key in self._accepted()]
        matches = [hmac.compare_digest(presented, one) for one in ours]
        if not any(matches):
            return None
        at = EPOCH + int(moment) * MICROSECOND
        return at if now - VALID <= at <= now else None


def _mac(secret_key: str, moment: str, request: str) -> str:
    key = hmac.digest(secret_key.encode(), LABEL, hashlib.sha256)
    mac = hmac.digest(key, f"{moment}\n{request}".encode("utf-8", "surrogatepass"), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:24]).decode()
