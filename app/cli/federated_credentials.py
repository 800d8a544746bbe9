"""`latchkey client federated`: whom a client trusts to say who it is, so that it needs no secret."""

from __future__ import annotations

from pathlib import Path

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.federated_credentials import NewFederatedCredential
from app.cli.jwks_file import JWKS, keys_in
from app.cli.options import many
from app.cli.output import done, json_option, show_all, show_one
from app.cli.session import client_named, everything, open_actions
from app.errors import Invalid

COLUMNS = ("id", "name", "issuer", "subject", "audience", "claims")


@click.group()
def federated() -> None:
    """Another issuer's tokens that a client is recognised by: add, list, remove."""


@federated.command()
@click.argument("client_name", metavar="CLIENT")
@click.option("--name", required=True, help="To tell it from the others.")
@click.option("--issuer", required=True, help="The token's iss, an https URL.")
@click.option("--subject", required=True, help="The token's sub; * is one or more characters but no colon.")
@click.option("--audience", help="The token's aud; this server's issuer, when left out.")
@many("--claim", "claims", "NAME=TEXT that the token must also hold.")
@click.option("--jwks", type=JWKS, help="File with the issuer's public keys, where it cannot be reached.")
@click.option("--jwks-uri", help="Where its public keys are; asked of the issuer, when left out.")
@json_option
def add(
    client_name: str,
    name: str,
    issuer: str,
    subject: str,
    audience: str | None,
    claims: tuple[str, ...],
    jwks: Path | None,
    jwks_uri: str | None,
    as_json: bool,
) -> None:
    """Let a client be recognised by tokens of another issuer."""
    keys = keys_in(jwks) if jwks else None
    new = NewFederatedCredential(name, issuer, subject, audience, dict(map(_claim, claims)), keys, jwks_uri)
    actions = open_actions()
    show_one(as_json, actions.federated_credentials.create(OPERATOR, client_named(actions, client_name).id, new))


@federated.command("list")
@click.argument("client_name", metavar="CLIENT")
@json_option
def list_(client_name: str, as_json: bool) -> None:
    """List what a client is recognised by."""
    actions = open_actions()
    found, listed = client_named(actions, client_name), actions.federated_credentials.page
    show_all(as_json, everything(lambda limit, after: listed(found.id, limit, after)), COLUMNS)


@federated.command()
@click.argument("client_name", metavar="CLIENT")
@click.argument("credential_id")
@json_option
def remove(client_name: str, credential_id: str, as_json: bool) -> None:
    """Recognise a client by it no more, at once."""
    actions = open_actions()
    actions.federated_credentials.delete(OPERATOR, client_named(actions, client_name).id, credential_id)
    done(as_json, f"The federated credential {credential_id} is removed.", id=credential_id, deleted=True)


def _claim(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Invalid.field("claims", f"{text!r} is no NAME=TEXT")
    return name, value
