"""The caller of an OAuth endpoint as an actor."""

from __future__ import annotations

from app.actions.audit.actor import Actor, anonymous
from app.http.request import Request


def anonymous_actor(request: Request) -> Actor:
    """Return the actor of a caller that is not authenticated (yet)."""
    return anonymous(request.peer, request.id)


def client_actor(client_id: str, request: Request) -> Actor:
    """Return the actor of an authenticated client."""
    return Actor(type="client", id=client_id, address=request.peer, request_id=request.id)
