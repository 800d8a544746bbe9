"""What no caller may do, whatever its scope: make credentials by delegation, or grant more than it holds."""

from __future__ import annotations

from app.access.scopes import Grants, Scopes
from app.actions.actor import Actor
from app.errors import Forbidden


def refuse_delegates(actor: Actor) -> None:
    """Raise Forbidden when a PAT, or a JWT exchanged from one, is about to make, unbind or reveal a credential."""
    if actor.delegated:
        raise Forbidden("a personal access token cannot create, regenerate, unbind or reveal a credential")


def refuse_granting(actor: Actor, built_in: Scopes) -> None:
    """Raise Forbidden when a caller without `manage` is about to put a permission of this API into a role."""
    if built_in and not actor.manages:
        raise Forbidden("only a holder of manage puts permissions of the management API into a role", scope="manage")


def refuse_exceeding(actor: Actor, carried: Grants, management_identifier: str) -> None:
    """Raise Forbidden when something carries more scopes of this API than the caller that assigns or changes it."""
    scopes = carried.by_resource.get(management_identifier, Scopes())
    if not actor.manages and not scopes <= actor.management:
        raise Forbidden(f"this carries more than the caller holds: {scopes - actor.management}", scope="manage")
