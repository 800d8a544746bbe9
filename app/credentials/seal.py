"""How private keys are sealed in the database: under the SECRET_KEY of now, opened by those of before as well."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import BadSettings


class Seal:
    """Closes under one secret key; opens under that one and, while they count, under further ones."""

    def __init__(self, secret_key: str, further: Callable[[], Iterable[str]] = tuple) -> None:
        """Take the SECRET_KEY setting; `further` is asked for other accepted keys when that one opens nothing."""
        self._present = _fernet(secret_key)
        self._further = further

    def close(self, clear: bytes) -> bytes:
        """Seal."""
        return self._present.encrypt(clear)

    def open(self, sealed: bytes) -> bytes:
        """Give what was sealed; raises BadSettings when no key that counts opens it."""
        if (clear := _opened(self._present, sealed)) is not None:
            return clear
        for key in self._further():
            if (clear := _opened(_fernet(key), sealed)) is not None:
                return clear
        raise BadSettings("SECRET_KEY does not open the signing keys: set the one they were made with")

    def is_of_now(self, sealed: bytes) -> bool:
        """Tell whether it was sealed under the present key."""
        return _opened(self._present, sealed) is not None


def _fernet(secret_key: str) -> Fernet:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=b"latchkey signing keys").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))


def _opened(key: Fernet, sealed: bytes) -> bytes | None:
    try:
        return key.decrypt(sealed)
    except InvalidToken:
        return None
