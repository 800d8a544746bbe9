"""The secrets of webhooks: stored encrypted as the signing keys are, and used to sign (Standard Webhooks)."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from app.crypto.seal import Seal

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
