"""Authenticate a client by a secret in a Basic header, once in each authority epoch."""

from __future__ import annotations

from datetime import datetime

from app.compose import Actions
from app.fast_lane.memory import AuthenticatedClient, CacheGeneration, digest_of
from app.fast_lane.shape import read_basic
from app.oauth.client_authentication import decode_basic


def authenticate(
    actions: Actions, generation: CacheGeneration, authorization: str, at: datetime
) -> AuthenticatedClient | None:
    """Return the client; None if authentication fails, which the Flask route reports."""
    key = digest_of(authorization.encode())
    cached = generation.clients.get(key)
    if cached is not None and (cached.client.valid_until is None or at < cached.client.valid_until):
        return cached
    value = read_basic(authorization)
    if value is None:
        return None
    client_id, secret = decode_basic(value)
    client = actions.authenticate_client.find(client_id)
    if not actions.authenticate_client.secret_matches(client, secret):
        return None
    cached = AuthenticatedClient(client)
    generation.clients.put(key, cached)
    return cached
