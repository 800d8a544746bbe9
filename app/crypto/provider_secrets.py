"""The client secrets that identity providers gave us: stored encrypted as the signing keys are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from app.crypto.seal import Seal


class ProviderSecrets:
    """Encrypts the secrets under SECRET_KEY, and opens them."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns the secret keys, the current one first."""
        self._seal = Seal(accepted)

    def close(self, secret: str) -> bytes:
        """Return a secret encrypted, to store."""
        return self._seal.close(secret.encode())

    def open(self, sealed: bytes) -> str:
        """Return the secret; raises BadSettings when no accepted key opens it."""
        return self._seal.open(sealed).decode()
