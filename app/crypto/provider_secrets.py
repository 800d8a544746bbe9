"""The client secrets that identity providers gave us: stored encrypted as the signing keys are."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.crypto.seal import Seal
from app.models import IdentityProvider


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


def sealed_provider_secrets(connection: Connection | Session) -> Sequence[bytes]:
    """Return every secret, encrypted."""
    sealed = IdentityProvider.sealed_client_secret
    return [one for one in connection.execute(select(sealed).where(sealed.is_not(None))).scalars() if one is not None]


def reseal_providers(session: Session, seal: Seal) -> None:
    """Encrypt again what an earlier SECRET_KEY encrypted. Raises BadSettings when no accepted key decrypts one."""
    for row in session.scalars(select(IdentityProvider).order_by(IdentityProvider.id).with_for_update()):
        sealed = row.sealed_client_secret
        if sealed is not None and not seal.is_current(sealed):
            row.sealed_client_secret = seal.close(seal.open(sealed))
