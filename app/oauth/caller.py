"""Who calls an OAuth endpoint, as an actor."""

from __future__ import annotations

from app.actions.audit.actor import Actor, anonymous
from app.http.envelope import request_id
from app.http.peer import caller_address


def anonymous_actor() -> Actor:
    """Make the actor of a caller who is not, or not yet, known."""
    return anonymous(caller_address(), request_id())


def client_actor(client_id: str) -> Actor:
    """Make the actor of an authenticated client."""
    return Actor(type="client", id=client_id, address=caller_address(), request_id=request_id())
