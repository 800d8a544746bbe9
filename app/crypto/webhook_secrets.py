"""The secrets of webhooks: stored encrypted as the signing keys are, and used to sign (Standard Webhooks)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from app.crypto.seal import Seal
from app.models import Webhook

PREFIX = "whsec_"
OCTETS = 32


class WebhookSecrets:
    """Makes secrets and signs with them; the database holds them encrypted under SECRET_KEY."""

    def __init__(self, accepted: Callable[[], Sequence[str]]) -> None:
        """`accepted` returns the secret keys, the current one first."""
        self._seal = Seal(accepted)

    def make(self) -> tuple[str, bytes]:
        """Return a new secret, to show once, and the same encrypted, to store."""
        secret = PREFIX + base64.b64encode(secrets.token_bytes(OCTETS)).decode("ascii")
        return secret, self._seal.close(secret.encode("ascii"))

    def sign(self, sealed: Sequence[bytes], message_id: str, at: datetime, body: str) -> Mapping[str, str]:
        """Return the headers of a message, signed with each of these secrets. Raises BadSettings when none opens."""
        from standardwebhooks import Webhook as Signer  # only a process that delivers needs it

        at = at.astimezone(UTC)  # the library takes any other zone for UTC
        signers = (Signer(self._seal.open(one).decode("ascii")) for one in sealed)
        signatures = " ".join(signer.sign(message_id, at, body) for signer in signers)
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signatures,
        }


def sealed_secrets(connection: Connection | Session) -> Sequence[bytes]:
    """Return every secret, encrypted."""
    rows = connection.execute(select(Webhook.sealed_secret, Webhook.sealed_former_secret))
    return [sealed for row in rows for sealed in row if sealed is not None]


def reseal_webhooks(session: Session, seal: Seal) -> None:
    """Encrypt again what an earlier SECRET_KEY encrypted. Raises BadSettings when no accepted key decrypts one."""
    for webhook in session.scalars(select(Webhook).order_by(Webhook.id).with_for_update()):
        webhook.sealed_secret = _reseal(seal, webhook.sealed_secret)
        if webhook.sealed_former_secret is not None:
            webhook.sealed_former_secret = _reseal(seal, webhook.sealed_former_secret)


def _reseal(seal: Seal, sealed: bytes) -> bytes:
    return sealed if seal.is_current(sealed) else seal.close(seal.open(sealed))
