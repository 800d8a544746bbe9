"""The caller of an action: who it is, where it calls from, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from app.access.scopes import Scopes

MANAGE = "manage"
ActorType = Literal["user", "client", "anonymous", "operator", "server"]


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of an action.

    `id` is a user's id or a client's public client_id. `management` are its current scopes of the management API;
    `delegated` marks a PAT, a JWT exchanged from one and the token of an app, which can never create a credential.
    """

    type: ActorType
    id: str
    name: str = ""
    credential_id: str | None = None
    management: Scopes = field(default_factory=Scopes)
    delegated: bool = False
    address: str | None = None
    request_id: str | None = None
    client_id: str | None = None  # of the app through which a user acts

    @property
    def manages(self) -> bool:
        """Whether it may do everything."""
        return MANAGE in self.management

    def holds(self, scope: str) -> bool:
        """Return whether it has this scope of the management API."""
        return self.manages or scope in self.management


SERVER = Actor(type="server", id="server", management=Scopes.of(MANAGE))
OPERATOR = Actor(type="operator", id="cli", name="command line", management=Scopes.of(MANAGE))


def anonymous(address: str | None, request_id: str | None) -> Actor:
    """Return the actor of a caller that is not authenticated."""
    return Actor(type="anonymous", id="anonymous", address=address, request_id=request_id)
