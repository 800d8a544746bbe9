"""Which grants, redirect URIs, scopes and roles a client may have together (RFC 7591 §2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.directory.escalation import refuse_delegating
from app.errors import FieldError, Invalid
from app.models import Client, Permission, Resource
from app.models.auth_methods import NONE
from app.models.client import BY_OPERATOR
from app.models.grant_types import (
    AUTHORIZATION_CODE,
    CLIENT_CREDENTIALS,
    GRANT_TYPES,
    OF_USERS,
    REFRESH_TOKEN,
    GrantType,
)


def checked_grant_types(names: Sequence[str]) -> list[GrantType]:
    """Return the grants, each once and in one order; raises Invalid."""
    if unknown := [name for name in names if name not in GRANT_TYPES]:
        raise Invalid.field("grant_types", f"{unknown[0]!r} is not a valid grant: use {', '.join(GRANT_TYPES)}")
    return [grant for grant in GRANT_TYPES if grant in names]


def checked_scopes(session: Session, actor: Actor, names: Sequence[str], kept: Sequence[str] = ()) -> list[str]:
    """Return the scopes that users may consent to, sorted; each must exist, but for those `kept` from before.

    Raises Invalid, and Forbidden for a scope of the management API unless the caller holds `manage`.
    """
    found = _built_in_by_name(session, names)
    if unknown := [name for name in names if name not in found and name not in kept]:
        raise Invalid.field("scopes", f"there is no scope {', '.join(unknown)}")
    refuse_delegating(actor, (name for name, built_in in found.items() if built_in))
    return sorted(set(names))


def check_together(row: Client, session: Session) -> None:
    """Raise Invalid unless what a client is registered with fits together."""
    errors = [FieldError(field, message) for broken, field, message in _rules(row) if broken]
    if row.registered_by != BY_OPERATOR and any(_built_in_by_name(session, row.scopes or ()).values()):
        errors.append(FieldError("scopes", "only an operator's own client may name a scope of the management API"))
    if errors:
        raise Invalid(*errors)


def _rules(row: Client) -> Iterator[tuple[bool, str, str]]:
    grants, public = set(row.grant_types), row.token_endpoint_auth_method == NONE
    machine, of_users, by_code = CLIENT_CREDENTIALS in grants, bool(OF_USERS & grants), AUTHORIZATION_CODE in grants
    yield not grants, "grant_types", "must name at least one grant"
    alone = REFRESH_TOKEN in grants and not of_users
    yield alone, "grant_types", "refresh_token renews authorization_code or device_code: add one of them"
    yield public and machine, "grant_types", "client_credentials needs a client that can prove itself, unlike none"
    foreign = row.registered_by != BY_OPERATOR and machine
    yield foreign, "grant_types", "a client that an operator did not register never has client_credentials"
    serving = row.registered_by != BY_OPERATOR and bool(row.serves)
    yield serving, "serves", "a client that an operator did not register serves no API"
    yield by_code and not row.redirect_uris, "redirect_uris", "authorization_code needs at least one"
    yield bool(row.redirect_uris) and not by_code, "redirect_uris", "are for authorization_code alone"
    yield bool(row.roles) and not machine, "roles", "are for client_credentials: an app has what its users agree to"
    yield bool(row.serves) and public, "serves", "a client that cannot prove itself serves no API"
    yield row.scopes is not None and not of_users, "scopes", "are for authorization_code and device_code alone"


def _built_in_by_name(session: Session, names: Sequence[str]) -> dict[str, bool]:
    """Return which of these scopes exist, and whether each is of the management API."""
    query = select(Permission.name, Resource.built_in).join(Resource, Resource.id == Permission.resource_id)
    return dict(session.execute(query.where(Permission.name.in_(names))).all())
