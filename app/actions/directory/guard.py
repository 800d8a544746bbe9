"""What no caller may do, whatever its scope: make credentials by delegation, or grant more than it holds."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from app.access.rbac import grants_of_client, serves_built_in
from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import MANAGE, Actor
from app.errors import Forbidden
from app.models import Resource

SERVING = "only a holder of manage may create or change a client that serves the management API"


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


def refuse_ending_tokens_of_all(actor: Actor) -> None:
    """Raise Forbidden when a caller without `manage` is about to end the tokens of everybody, administrators too."""
    if not actor.manages:
        raise Forbidden("only a holder of manage may revoke a signing key: every token it signed ends", scope=MANAGE)


def refuse_changing_client(actor: Actor, session: Session, client_row_id: str, management_identifier: str) -> None:
    """Raise Forbidden when a client carries more than the caller: by its roles, or as a server of this API.

    Whoever serves this API introspects the tokens of its administrators.
    """
    refuse_exceeding(actor, grants_of_client(session, client_row_id), management_identifier)
    if not actor.manages and serves_built_in(session, client_row_id):
        raise Forbidden(SERVING, scope=MANAGE)


def refuse_serving(actor: Actor, resources: Iterable[Resource]) -> None:
    """Raise Forbidden when a caller without `manage` is about to let a client serve this API."""
    if not actor.manages and any(resource.built_in for resource in resources):
        raise Forbidden(SERVING, scope=MANAGE)
