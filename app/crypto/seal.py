"""Encrypt private keys and webhooks' secrets under the current SECRET_KEY; decrypt with earlier ones, too."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import BadSettings


class Seal:
    """Encrypt with the first of the accepted secret keys, decrypt with any of them."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` is called at each use: a key may be replaced while a server runs."""
        self._accepted = accepted

    def close(self, clear: bytes) -> bytes:
        """Return the encrypted text."""
        return _fernet(self._accepted()[0]).encrypt(clear)

    def open(self, sealed: bytes) -> bytes:
        """Return the clear text; raises BadSettings when no accepted key decrypts it."""
        for key in self._accepted():
            if (clear := _decrypt(key, sealed)) is not None:
                return clear
        raise BadSettings("SECRET_KEY does not open the signing keys: set the one they were made with")

    def is_current(self, sealed: bytes) -> bool:
        """Return whether it was encrypted with the first key."""
        return _decrypt(self._accepted()[0], sealed) is not None


@lru_cache(maxsize=16)
def _fernet(secret_key: str) -> Fernet:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=b"latchkey signing keys").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))


def _decrypt(secret_key: str, sealed: bytes) -> bytes | None:
    try:
        return _fernet(secret_key).decrypt(sealed)
    except InvalidToken:
        return None
