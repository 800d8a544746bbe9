"""`latchkey api-key`: anonymous use of one API."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.api_keys import KeyChanges, KeyStatus, NewKey
from app.cli.actions import find_resource, list_all, open_actions
from app.cli.completion import API_KEYS, PERMISSIONS, RESOURCES
from app.cli.options import Duration
from app.cli.output import json_option, print_done, print_record, print_records, print_secret
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of
from app.cli.standard_streams import print_note, refuse_unwritable

MEND = "make a permission public with `latchkey resource permission update RESOURCE NAME --public`"
COLUMNS = ("id", "name", "resource", "hint", "scopes", "status", "expires_at", "last_used_at")


@click.group("api-key", cls=Group)
def api_key() -> None:
    """API keys: create, list, show, update, rotate, revoke."""


@api_key.command()
@options_of(
    NewKey,
    resource=Option("Identifier or id of the API resource.", complete=RESOURCES),
    scopes=Option("A public permission of the resource; all of them when omitted.", complete=PERMISSIONS),
    expires_at="When it expires; never when omitted.",
    rate_limit="How often it may be used, such as 100/1m.",
    allowed_ips="A network it may be used from, in CIDR notation.",
    enabled=Option("Create it disabled.", "--disabled"),
)
@json_option
def create(new: NewKey, as_json: bool) -> None:
    """Issue a key and print it, alone, on stdout."""
    actions = open_actions()
    resource = find_resource(actions, new.resource).identifier
    view, issued = actions.api_keys.create(OPERATOR, replace(new, resource=resource))

    def undo() -> str:
        actions.api_keys.revoke(OPERATOR, view.id)
        return f"the key {view.id} is revoked"

    print_secret(as_json, view, "key", issued.token, f"Key {view.id} of {view.resource}.", undo)
    if not view.scopes:
        print_note(f"Warning: it opens nothing, because nothing is public on {view.resource}: {MEND}")


@api_key.command("list")
@click.option("--resource", shell_complete=RESOURCES, help="Only keys of this resource.")
@click.option("--status", type=click.Choice(get_args(KeyStatus)), help="Only keys of this status.")
@json_option
def list_(resource: str | None, status: KeyStatus | None, as_json: bool) -> None:
    """List the keys."""
    actions = open_actions()
    identifier = find_resource(actions, resource).identifier if resource else None
    keys = actions.api_keys
    print_records(as_json, list_all(lambda limit, after: keys.page(limit, after, status, identifier)), COLUMNS)


@api_key.command()
@click.argument("key_id", metavar="ID", shell_complete=API_KEYS)
@json_option
def show(key_id: str, as_json: bool) -> None:
    """Show a key, never its secret."""
    print_record(as_json, open_actions().api_keys.get(key_id))


@api_key.command()
@click.argument("key_id", metavar="ID", shell_complete=API_KEYS)
@options_of(
    KeyChanges,
    scopes=Option(
        "A public permission of the resource; replaces the current ones.",
        complete=PERMISSIONS,
        clear="--all-scopes",
        clear_help="Allow all public permissions of the resource.",
    ),
    expires_at=Option(clear="--never-expires"),
    rate_limit=Option(clear="--no-rate-limit"),
    allowed_ips=Option(
        "A network in CIDR notation; replaces the current ones.",
        clear="--any-ip",
        clear_help="Allow use from any address.",
    ),
    enabled=Option("Whether it works.", "--enable/--disable"),
)
@json_option
def update(changes: KeyChanges, key_id: str, as_json: bool) -> None:
    """Change a key; fields that are not given keep their values."""
    print_record(as_json, open_actions().api_keys.change(OPERATOR, key_id, changes))


@api_key.command()
@click.argument("key_id", metavar="ID", shell_complete=API_KEYS)
@click.option(
    "--overlap", type=Duration(), default=0, show_default=True, help="How long the old secret still works, such as 1d."
)
@json_option
def rotate(key_id: str, overlap: int, as_json: bool) -> None:
    """Replace the secret of a key and print the new one, alone, on stdout."""
    refuse_unwritable()
    keys = open_actions().api_keys
    view, issued = keys.rotate(OPERATOR, key_id, overlap)

    def undo() -> str:
        keys.withdraw(OPERATOR, key_id, issued.token)
        return f"the new secret is revoked, the old one of {key_id} works for {overlap} s: rotate it again"

    note = f"Key {view.id}; its old secret works for {overlap} s more."
    print_secret(as_json, view, "key", issued.token, note, undo)


@api_key.command()
@click.argument("key_id", metavar="ID", shell_complete=API_KEYS)
@json_option
def revoke(key_id: str, as_json: bool) -> None:
    """Revoke a key for good."""
    open_actions().api_keys.revoke(OPERATOR, key_id)
    print_done(as_json, f"The key {key_id} is revoked.", id=key_id, status="revoked")
