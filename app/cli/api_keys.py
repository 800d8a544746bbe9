"""`latchkey api-key`: anonymous use of one API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.api_keys import KeyChanges, NewKey
from app.actions.directory.changes import UNSET
from app.cli.options import Duration, Instant, Rate, enabled_option, many
from app.cli.output import done, json_option, show_all, show_one, show_secret
from app.cli.session import everything, open_actions, resource_named
from app.cli.streams import refuse_unwritable
from app.credentials.kind import RateLimit

COLUMNS = ("id", "name", "resource", "hint", "scopes", "status", "expires_at", "last_used_at")
STATUS = click.Choice(["active", "disabled", "expired", "revoked"])


@click.group("api-key")
def api_key() -> None:
    """API keys: create, list, show, update, rotate, revoke."""


@api_key.command()
@click.option("--name", required=True)
@click.option("--resource", required=True, help="Identifier or id of the resource it opens.")
@many("--scope", "scopes", "A public permission of the resource; left out, it has all of them.")
@click.option("--expires-at", type=Instant(), help="When it ends; never, when left out.")
@click.option("--rate-limit", type=Rate(), help="How often it may be used, as in 100/1m.")
@many("--allowed-ip", "allowed_ips", "A network it may be used from, as a CIDR.")
@click.option("--disabled", is_flag=True, help="It does not work until it is enabled.")
@json_option
def create(
    name: str,
    resource: str,
    scopes: tuple[str, ...],
    expires_at: datetime | None,
    rate_limit: tuple[int, int] | None,
    allowed_ips: tuple[str, ...],
    disabled: bool,
    as_json: bool,
) -> None:
    """Issue a key, printed alone on stdout."""
    actions = open_actions()
    new = NewKey(
        name=name,
        resource=resource_named(actions, resource).identifier,
        scopes=scopes or None,
        expires_at=expires_at,
        rate_limit=RateLimit(*rate_limit) if rate_limit else None,
        allowed_ips=allowed_ips,
        enabled=not disabled,
    )
    view, issued = actions.api_keys.create(OPERATOR, new)

    def undo() -> str:
        actions.api_keys.revoke(OPERATOR, view.id)
        return f"the key {view.id} is revoked"

    show_secret(as_json, view, "key", issued.token, f"Key {view.id} of {view.resource}.", undo)


@api_key.command("list")
@click.option("--resource", help="Only keys of this resource.")
@click.option("--status", type=STATUS, help="Only keys of this status.")
@json_option
def list_(resource: str | None, status: Any, as_json: bool) -> None:
    """List the keys."""
    actions = open_actions()
    identifier = resource_named(actions, resource).identifier if resource else None
    keys = actions.api_keys
    show_all(as_json, everything(lambda limit, after: keys.page(limit, after, status, identifier)), COLUMNS)


@api_key.command()
@click.argument("key_id", metavar="ID")
@json_option
def show(key_id: str, as_json: bool) -> None:
    """Show a key, never its secret."""
    show_one(as_json, open_actions().api_keys.get(key_id))


@api_key.command()
@click.argument("key_id", metavar="ID")
@click.option("--name")
@many("--scope", "scopes", "A public permission; together they replace those that it has.")
@click.option("--all-scopes", is_flag=True, help="It has all public permissions of its resource.")
@click.option("--expires-at", type=Instant())
@click.option("--never-expires", is_flag=True)
@click.option("--rate-limit", type=Rate())
@click.option("--no-rate-limit", is_flag=True)
@many("--allowed-ip", "allowed_ips", "A network as a CIDR; together they replace those that it has.")
@click.option("--any-ip", is_flag=True, help="It may be used from anywhere.")
@enabled_option("Whether it works.")
@json_option
def update(key_id: str, as_json: bool, **given: Any) -> None:
    """Change a key; what is not named stays."""
    show_one(as_json, open_actions().api_keys.change(OPERATOR, key_id, _changes(**given)))


@api_key.command()
@click.argument("key_id", metavar="ID")
@click.option("--overlap", type=Duration(), default=0, show_default=True, help="How long the old secret still works.")
@json_option
def rotate(key_id: str, overlap: int, as_json: bool) -> None:
    """Give a key a new secret, printed alone on stdout."""
    refuse_unwritable()
    keys = open_actions().api_keys
    view, issued = keys.rotate(OPERATOR, key_id, overlap)

    def undo() -> str:
        keys.withdraw(OPERATOR, key_id, issued.token)
        return f"that secret is ended, the old one of {key_id} works for {overlap} s: rotate it once more"

    said = f"Key {view.id}; its old secret works for {overlap} s more."
    show_secret(as_json, view, "key", issued.token, said, undo)


@api_key.command()
@click.argument("key_id", metavar="ID")
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """End a key for good."""
    open_actions().api_keys.revoke(OPERATOR, key_id)
    done(as_json, f"The key {key_id} is revoked.", id=key_id, status="revoked")


def _changes(
    name: str | None,
    scopes: tuple[str, ...],
    all_scopes: bool,
    expires_at: datetime | None,
    never_expires: bool,
    rate_limit: tuple[int, int] | None,
    no_rate_limit: bool,
    allowed_ips: tuple[str, ...],
    any_ip: bool,
    enabled: bool | None,
) -> KeyChanges:
    return KeyChanges(
        name=UNSET if name is None else name,
        scopes=None if all_scopes else scopes or UNSET,
        expires_at=None if never_expires else expires_at or UNSET,
        rate_limit=None if no_rate_limit else RateLimit(*rate_limit) if rate_limit else UNSET,
        allowed_ips=() if any_ip else allowed_ips or UNSET,
        enabled=UNSET if enabled is None else enabled,
    )
