"""`latchkey signing-key`: what signs our tokens."""

from __future__ import annotations

import click

from app.actions.audit.actor import OPERATOR
from app.cli.output import json_option, show_all, show_one
from app.cli.session import open_actions

COLUMNS = ("kid", "alg", "status", "created_at", "retires_at")


@click.group("signing-key")
def signing_key() -> None:
    """Signing keys: list, rotate, revoke."""


@signing_key.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the keys that are published now."""
    show_all(as_json, open_actions().rotate_signing_key.list(), COLUMNS)


@signing_key.command()
@click.option("--only-when-known", is_flag=True, help="Not while a verifier's cache may not hold the next key yet.")
@json_option
def rotate(only_when_known: bool, as_json: bool) -> None:
    """Let the published next key sign; the one before verifies until its last token has ended."""
    show_one(as_json, open_actions().rotate_signing_key(OPERATOR, only_when_known=only_when_known))


@signing_key.command()
@click.argument("kid")
@json_option
def revoke(kid: str, as_json: bool) -> None:
    """End a stolen key at once, with every token it signed; the next key signs where it was the active one."""
    actions = open_actions()
    actions.rotate_signing_key.revoke(OPERATOR, kid)
    show_all(as_json, actions.rotate_signing_key.list(), COLUMNS)
