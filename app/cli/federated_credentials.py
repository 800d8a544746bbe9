"""`latchkey client federated`: which tokens of another issuer identify a client, so that it needs no secret."""

from __future__ import annotations

from dataclasses import replace

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.federated_credentials import NewFederatedCredential
from app.cli.actions import find_client, list_all, open_actions
from app.cli.completion import CLIENTS
from app.cli.jwks_file import JWKS
from app.cli.options import many
from app.cli.output import json_option, print_done, print_record, print_records
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of
from app.errors import Invalid

COLUMNS = ("id", "name", "issuer", "subject", "audience", "claims")


@click.group(cls=Group)
def federated() -> None:
    """Tokens of another issuer that identify a client: add, list, remove."""


@federated.command()
@click.argument("client_name", metavar="CLIENT", shell_complete=CLIENTS)
@options_of(
    NewFederatedCredential,
    name="Distinguishes it from the client's others.",
    issuer="The token's iss, an https URL.",
    subject="The token's sub; * matches one or more characters except a colon.",
    audience="The token's aud; this server's issuer when omitted.",
    claims=None,
    jwks=Option("File with the issuer's public keys, when the issuer cannot be reached.", type=JWKS),
    jwks_uri="URL of the issuer's public keys; discovered from the issuer when omitted.",
)
@many("--claim", "claims", "NAME=TEXT that the token must also hold.")
@json_option
def add(new: NewFederatedCredential, client_name: str, claims: tuple[str, ...], as_json: bool) -> None:
    """Identify a client by tokens of another issuer."""
    new = replace(new, claims=dict(map(_parse_claim, claims)))
    actions = open_actions()
    print_record(as_json, actions.federated_credentials.create(OPERATOR, find_client(actions, client_name).id, new))


@federated.command("list")
@click.argument("client_name", metavar="CLIENT", shell_complete=CLIENTS)
@json_option
def list_(client_name: str, as_json: bool) -> None:
    """List a client's federated credentials."""
    actions = open_actions()
    client_id, credentials = find_client(actions, client_name).id, actions.federated_credentials
    print_records(as_json, list_all(lambda limit, after: credentials.page(client_id, limit, after)), COLUMNS)


@federated.command()
@click.argument("client_name", metavar="CLIENT", shell_complete=CLIENTS)
@click.argument("credential_id")
@json_option
def remove(client_name: str, credential_id: str, as_json: bool) -> None:
    """Remove a federated credential; its tokens no longer identify the client."""
    actions = open_actions()
    actions.federated_credentials.delete(OPERATOR, find_client(actions, client_name).id, credential_id)
    print_done(as_json, f"The federated credential {credential_id} is removed.", id=credential_id, deleted=True)


def _parse_claim(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Invalid.field("claims", f"{text!r} is not valid: use NAME=TEXT")
    return name, value
