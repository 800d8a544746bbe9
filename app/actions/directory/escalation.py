"""Refuse privilege escalation, whatever the scope: credentials made by delegation, grants above the caller's own."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from app.access.rbac import delegable_built_in, grants_of_client, serves_built_in
from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import MANAGE, Actor
from app.errors import Forbidden
from app.models import Resource

DELEGATING = "only a holder of manage may create or change a client whose scopes name one of the management API"
SERVING = "only a holder of manage may create or change a client that serves the management API"


def refuse_delegates(actor: Actor) -> None:
    """Raise Forbidden for a PAT, a JWT exchanged from one or an app: none creates, unbinds or reveals a credential."""
    if actor.delegated:
        raise Forbidden("a personal access token or an app cannot create, regenerate, unbind or reveal a credential")


def refuse_delegates_address(actor: Actor) -> None:
    """Raise Forbidden for a delegate that changes an e-mail address: who reads it can reset the password."""
    if actor.delegated:
        raise Forbidden("a personal access token or an app cannot change an email: resets of the password go there")


def refuse_granting(actor: Actor, built_in: Scopes) -> None:
    """Raise Forbidden unless the caller holds `manage`, when permissions of this API are added to a role."""
    if built_in and not actor.manages:
        raise Forbidden("only a holder of manage puts permissions of the management API into a role", scope="manage")


def refuse_exceeding(actor: Actor, carried: Grants, management_identifier: str) -> None:
    """Raise Forbidden when `carried` has scopes of this API that the caller, who assigns or changes it, lacks."""
    scopes = carried.by_resource.get(management_identifier, Scopes())
    if not actor.manages and not scopes <= actor.management:
        raise Forbidden(f"this carries more than the caller holds: {scopes - actor.management}", scope="manage")


def refuse_revoking_signing_keys(actor: Actor) -> None:
    """Raise Forbidden unless the caller holds `manage`: it ends everybody's tokens, administrators' too."""
    if not actor.manages:
        raise Forbidden("only a holder of manage may revoke a signing key: every token it signed ends", scope=MANAGE)


def refuse_changing_client(actor: Actor, session: Session, client_row_id: str, management_identifier: str) -> None:
    """Raise Forbidden when a client has more than the caller: by its roles or scopes, or because it serves this API.

    A client that serves this API introspects the tokens of its administrators; one whose scopes name a scope of this
    API acts for administrators who agree.
    """
    refuse_exceeding(actor, grants_of_client(session, client_row_id), management_identifier)
    refuse_delegating(actor, delegable_built_in(session, client_row_id))
    if not actor.manages and serves_built_in(session, client_row_id):
        raise Forbidden(SERVING, scope=MANAGE)


def refuse_delegating(actor: Actor, built_in: Iterable[str]) -> None:
    """Raise Forbidden unless the caller holds `manage`, when users may agree to scopes of this API for a client."""
    if not actor.manages and any(built_in):
        raise Forbidden(DELEGATING, scope=MANAGE)


def refuse_serving(actor: Actor, resources: Iterable[Resource]) -> None:
    """Raise Forbidden unless the caller holds `manage`, when a client is to serve this API."""
    if not actor.manages and any(resource.built_in for resource in resources):
        raise Forbidden(SERVING, scope=MANAGE)
