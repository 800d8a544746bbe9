"""Encrypt a new secret for the one page that shows it: nothing is stored, and every node can decrypt it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from datetime import datetime

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LIFETIME = 60  # seconds between the form and the page
LABEL = b"latchkey new secret "


class Handover:
    """Encrypt under a key that is derived from SECRET_KEY for one context: a session and a page."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns SECRET_KEY, and the earlier ones, which still decrypt."""
        self._accepted = accepted

    def close(self, secret: str, context: str, at: datetime) -> str:
        """Return the encrypted secret."""
        fernet = _fernet(self._accepted()[0], context)
        return fernet.encrypt_at_time(secret.encode(), int(at.timestamp())).decode()

    def open(self, sealed: str, context: str, at: datetime) -> str | None:
        """Return the secret; None for another context, after `LIFETIME`, and for what was not encrypted here."""
        presented, now = sealed.encode("utf-8", "surrogatepass"), int(at.timestamp())
        for key in self._accepted():
            try:
                return _fernet(key, context).decrypt_at_time(presented, LIFETIME, now).decode()
            except InvalidToken:
                continue
        return None


def _fernet(secret_key: str, context: str) -> Fernet:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=LABEL + context.encode()).derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))
