"""How private keys are sealed in the database: under the SECRET_KEY of now, opened by those of before as well."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.errors import BadSettings


class Seal:
    """Closes under the first of the accepted secret keys and opens under any of them."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` is asked at each use: a key may be replaced while a server runs."""
        self._accepted = accepted

    def close(self, clear: bytes) -> bytes:
        """Seal."""
        return _fernet(self._accepted()[0]).encrypt(clear)

    def open(self, sealed: bytes) -> bytes:
        """Give what was sealed; raises BadSettings when no accepted key opens it."""
        for key in self._accepted():
            if (clear := _opened(key, sealed)) is not None:
                return clear
        raise BadSettings("SECRET_KEY does not open the signing keys: set the one they were made with")

    def is_of_now(self, sealed: bytes) -> bool:
        """Tell whether it was sealed under the first key."""
        return _opened(self._accepted()[0], sealed) is not None


@lru_cache(maxsize=16)
def _fernet(secret_key: str) -> Fernet:
    key = HKDF(hashes.SHA256(), 32, salt=None, info=b"latchkey signing keys").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(key))


def _opened(secret_key: str, sealed: bytes) -> bytes | None:
    try:
        return _fernet(secret_key).decrypt(sealed)
    except InvalidToken:
        return None
