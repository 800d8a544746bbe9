"""Sign the notes in the audit trail by Ed25519 (RFC 8032), with keys that are derived from SECRET_KEY."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

LABEL = b"latchkey audit notes"


class NoteKeys:
    """Sign with the key of the first accepted SECRET_KEY, and trust the keys of all of them."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` is called at each use: a key may be replaced while a server runs."""
        self._accepted = accepted

    def sign(self, note: bytes) -> tuple[str, str]:
        """Return the public key and the signature, both in hexadecimal digits."""
        key = _key(self._accepted()[0])
        return _public(key), key.sign(note).hex()

    def trusted(self) -> frozenset[str]:
        """Return the public keys whose notes this server trusts."""
        return frozenset(_public(_key(secret)) for secret in self._accepted())


def is_signed(note: bytes, key: str, signature: str) -> bool:
    """Return whether the owner of a public key signed the note."""
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(key)).verify(bytes.fromhex(signature), note)
    except (InvalidSignature, ValueError):
        return False
    return True


def _key(secret_key: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(
        HKDF(hashes.SHA256(), 32, salt=None, info=LABEL).derive(secret_key.encode())
    )


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes_raw().hex()
