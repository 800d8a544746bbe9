"""Who asks: a client that proves itself by a secret in a Basic header, checked once an epoch."""

from __future__ import annotations

from datetime import datetime

from app.compose import Actions
from app.fast_lane.memory import Present, Standing, key_of
from app.fast_lane.shape import basic
from app.oauth.client_authentication import pair_in


def present(known: Actions, standing: Standing, authorization: str, at: datetime) -> Present | None:
    """Give the client; None when it proves nothing, which is not said here."""
    key = key_of(authorization.encode())
    kept = standing.clients.get(key)
    if kept is not None and (kept.known.valid_until is None or at < kept.known.valid_until):
        return kept
    value = basic(authorization)
    if value is None:
        return None
    client_id, secret = pair_in(value)
    client = known.authenticate_client.find(client_id)
    if not known.authenticate_client.secret_matches(client, secret):
        return None
    kept = Present(client)
    standing.clients.put(key, kept)
    return kept
