"""Who acts, from where, and how far: what every action is told about its caller."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from app.access.scopes import Scopes

MANAGE = "manage"
ActorType = Literal["user", "client", "anonymous", "operator", "server"]


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller of an action.

    `id` is a user's id or a client's public client_id. `management` are the scopes of the management API it holds now;
    `delegated` marks a PAT or a JWT exchanged from one: it can never make a credential.
    """

    type: ActorType
    id: str
    name: str = ""
    credential_id: str | None = None
    management: Scopes = field(default_factory=Scopes)
    delegated: bool = False
    address: str | None = None
    request_id: str | None = None

    @property
    def manages(self) -> bool:
        """Tell whether it may do everything."""
        return MANAGE in self.management

    def holds(self, scope: str) -> bool:
        """Tell whether it may do what this scope of the management API stands for."""
        return self.manages or scope in self.management


SERVER = Actor(type="server", id="server", management=Scopes.of(MANAGE))
OPERATOR = Actor(type="operator", id="cli", name="command line", management=Scopes.of(MANAGE))


def anonymous(address: str | None, request_id: str | None) -> Actor:
    """Make the actor of somebody who is not known (yet)."""
    return Actor(type="anonymous", id="anonymous", address=address, request_id=request_id)
