"""`latchkey signing-key`: the keys that sign our JWTs."""

from __future__ import annotations

import click

from app.actions.audit.actor import OPERATOR
from app.cli.actions import open_actions
from app.cli.output import json_option, print_record, print_records
from app.cli.parsing import Group

COLUMNS = ("kid", "alg", "status", "created_at", "retires_at")


@click.group("signing-key", cls=Group)
def signing_key() -> None:
    """Signing keys: list, rotate, revoke."""


@signing_key.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the keys that are published now."""
    print_records(as_json, open_actions().rotate_signing_key.list(), COLUMNS)


@signing_key.command()
@click.option("--only-when-known", is_flag=True, help="Refuse while verifiers' caches may lack the next key.")
@json_option
def rotate(only_when_known: bool, as_json: bool) -> None:
    """Sign with the published next key; the previous one verifies until its last token has expired."""
    print_record(as_json, open_actions().rotate_signing_key(OPERATOR, only_when_known=only_when_known))


@signing_key.command()
@click.argument("kid")
@json_option
def revoke(kid: str, as_json: bool) -> None:
    """Revoke a stolen key and every token it signed, at once; the next key replaces an active one."""
    actions = open_actions()
    actions.rotate_signing_key.revoke(OPERATOR, kid)
    print_records(as_json, actions.rotate_signing_key.list(), COLUMNS)
