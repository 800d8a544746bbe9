"""Nonces for DPoP proofs (RFC 9449 §8): nothing is stored, and every node issues and accepts the same ones."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import datetime

WINDOW = 300  # seconds; a nonce is valid in its own window and the next
LABEL = b"latchkey dpop nonce"


class Nonces:
    """A MAC of the time window, under a key that is derived from SECRET_KEY."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns SECRET_KEY, and the earlier ones, whose nonces are still valid."""
        self._accepted = accepted

    def current(self, at: datetime) -> str:
        """Return the nonce of this moment."""
        return _nonce(self._accepted()[0], _window(at))

    def is_valid(self, nonce: str, at: datetime) -> bool:
        """Return whether a nonce is ours, of this window or the last."""
        windows = (_window(at), _window(at) - 1)
        presented = nonce.encode("utf-8", "surrogatepass")
        ours = [_nonce(key, window).encode() for key in self._accepted() for window in windows]
        matches = [hmac.compare_digest(presented, one) for one in ours]
        return any(matches)


def _window(at: datetime) -> int:
    return int(at.timestamp()) // WINDOW


def _nonce(secret_key: str, window: int) -> str:
    key = hmac.digest(secret_key.encode(), LABEL, hashlib.sha256)
    mac = hmac.digest(key, window.to_bytes(8, "big"), hashlib.sha256)
    return base64.urlsafe_b64encode(mac[:18]).decode()
