"""`latchkey client secret`: a client may have several secrets, so that one can replace another without a gap."""

from __future__ import annotations

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.client_secrets import NewClientSecret
from app.cli.actions import find_client, list_all, open_actions
from app.cli.completion import CLIENTS
from app.cli.output import json_option, print_done, print_records, print_secret
from app.cli.parsing import Group
from app.cli.record_options import options_of

COLUMNS = ("id", "name", "hint", "status", "created_at", "expires_at")


@click.group(cls=Group)
def secret() -> None:
    """Secrets of a client: create, list, revoke."""


@secret.command()
@click.argument("client_name", metavar="CLIENT", shell_complete=CLIENTS)
@options_of(
    NewClientSecret,
    name="Distinguishes it from the client's other secrets.",
    expires_at="When it expires; never when omitted.",
)
@json_option
def create(new: NewClientSecret, client_name: str, as_json: bool) -> None:
    """Add a secret to a client and print it, alone, on stdout."""
    actions = open_actions()
    client = find_client(actions, client_name)
    view, issued = actions.client_secrets.create(OPERATOR, client.id, new)

    def undo() -> str:
        actions.client_secrets.revoke(OPERATOR, client.id, view.id)
        return f"the secret {view.id} is revoked"

    note = f"Secret {view.id} of the client {client.client_id}."
    print_secret(as_json, view, "client_secret", issued.token, note, undo)


@secret.command("list")
@click.argument("client_name", metavar="CLIENT", shell_complete=CLIENTS)
@json_option
def list_(client_name: str, as_json: bool) -> None:
    """List a client's secrets by their hints."""
    actions = open_actions()
    client_id, secrets = find_client(actions, client_name).id, actions.client_secrets
    print_records(as_json, list_all(lambda limit, after: secrets.page(client_id, limit, after)), COLUMNS)


@secret.command()
@click.argument("client_name", metavar="CLIENT", shell_complete=CLIENTS)
@click.argument("secret_id")
@json_option
def revoke(client_name: str, secret_id: str, as_json: bool) -> None:
    """Revoke a secret for good."""
    actions = open_actions()
    actions.client_secrets.revoke(OPERATOR, find_client(actions, client_name).id, secret_id)
    print_done(as_json, f"The secret {secret_id} is revoked.", id=secret_id, status="revoked")
