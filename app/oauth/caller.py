"""Who calls an OAuth endpoint, as an actor."""

from __future__ import annotations

from app.actions.actor import Actor, anonymous
from app.operations.envelope import request_id
from app.operations.peer import peer_address


def anonymous_actor() -> Actor:
    """Make the actor of a caller who is not, or not yet, known."""
    address = peer_address()
    return anonymous(str(address) if address else None, request_id())


def client_actor(client_id: str) -> Actor:
    """Make the actor of an authenticated client."""
    address = peer_address()
    return Actor(type="client", id=client_id, address=str(address) if address else None, request_id=request_id())
