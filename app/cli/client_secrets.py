"""`latchkey client secret`: several may live at once, so that one can follow another without a gap."""

from __future__ import annotations

from datetime import datetime

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.client_secrets import NewClientSecret
from app.cli.options import Instant
from app.cli.output import done, json_option, show_all, show_secret
from app.cli.session import client_named, everything, open_actions

COLUMNS = ("id", "name", "hint", "status", "created_at", "expires_at")


@click.group()
def secret() -> None:
    """Secrets of a client: create, list, revoke."""


@secret.command()
@click.argument("client_name", metavar="CLIENT")
@click.option("--name", help="To tell it from the others.")
@click.option("--expires-at", type=Instant(), help="When it ends; never, when left out.")
@json_option
def create(client_name: str, name: str | None, expires_at: datetime | None, as_json: bool) -> None:
    """Give a client a further secret, printed alone on stdout."""
    actions = open_actions()
    found = client_named(actions, client_name)
    view, issued = actions.client_secrets.create(OPERATOR, found.id, NewClientSecret(name, expires_at))

    def undo() -> str:
        actions.client_secrets.revoke(OPERATOR, found.id, view.id)
        return f"the secret {view.id} is revoked"

    said = f"Secret {view.id} of the client {found.client_id}."
    show_secret(as_json, view, "client_secret", issued.token, said, undo)


@secret.command("list")
@click.argument("client_name", metavar="CLIENT")
@json_option
def list_(client_name: str, as_json: bool) -> None:
    """List a client's secrets by their hints."""
    actions = open_actions()
    found = client_named(actions, client_name)
    show_all(as_json, everything(lambda limit, after: actions.client_secrets.page(found.id, limit, after)), COLUMNS)


@secret.command()
@click.argument("client_name", metavar="CLIENT")
@click.argument("secret_id")
@json_option
def revoke(client_name: str, secret_id: str, as_json: bool) -> None:
    """End a secret for good."""
    actions = open_actions()
    actions.client_secrets.revoke(OPERATOR, client_named(actions, client_name).id, secret_id)
    done(as_json, f"The secret {secret_id} is revoked.", id=secret_id, status="revoked")
