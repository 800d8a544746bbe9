"""`latchkey client`: registered programs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import Unset
from app.actions.directory.clients import ClientChanges, NewClient
from app.cli.actions import find_client, list_all, open_actions
from app.cli.client_secrets import secret
from app.cli.completion import CLIENTS, MACHINE_ROLES, PERMISSIONS, RESOURCES
from app.cli.federated_credentials import federated
from app.cli.jwks_file import JWKS
from app.cli.output import json_option, print_done, print_record, print_records, print_secret
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of
from app.cli.standard_streams import print_note
from app.crypto.certificate import SUBJECT_FIELDS
from app.models.grant_types import CLIENT_CREDENTIALS, GRANT_TYPES

COLUMNS = ("client_id", "name", "token_endpoint_auth_method", "roles", "serves", "enabled")


class CertificateSubject(click.ParamType[dict[str, str]]):
    """A field of a certificate's subject and its value, separated by `=`."""

    name = "FIELD=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Return the value under the field's full name; fail for an unknown field."""
        short, _, wanted = str(value).partition("=")
        if (field := f"tls_client_auth_{short}") not in SUBJECT_FIELDS:
            self.fail("must be subject_dn, san_dns, san_uri, san_ip or san_email, then = and the value", param, ctx)
        return {field: wanted}


class GrantType(click.ParamType[str]):
    """A grant that a client may be registered for; `device_code` is short for the URN of the device grant."""

    name = "GRANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the grant's name on the wire."""
        by_name: dict[str, str] = {grant.rpartition(":")[2]: grant for grant in GRANT_TYPES}
        if value in GRANT_TYPES:
            return str(value)
        if value not in by_name:
            self.fail(f"{value!r} is not a valid grant: use {', '.join(by_name)}", param, ctx)
        return by_name[value]


CERTIFICATE_NAMES = Option(
    "What its certificate must name: subject_dn, san_dns, san_uri, san_ip or san_email, as in san_dns=robot.example.",
    "--certificate-names",
    CertificateSubject(),
)

GRANTS = "Grant that it may use: client_credentials, authorization_code, refresh_token or device_code"
REDIRECT_URIS = "Where an app gets its authorization codes: https, http on loopback, or com.example.app:/callback."
PAGES = {
    "logo_uri": "URL of an app's logo.",
    "client_uri": "URL of an app's own page.",
    "policy_uri": "URL of an app's privacy policy.",
}


@click.group(cls=Group)
def client() -> None:
    """Clients: create, list, show, update, delete; secret create, list, revoke; federated add, list, remove."""


client.add_command(secret)
client.add_command(federated)


@client.command()
@options_of(
    NewClient,
    token_endpoint_auth_method=Option(flags="--auth-method"),
    jwks=Option("File with its public keys, for private_key_jwt and self_signed_tls_client_auth.", type=JWKS),
    jwks_uri="URL of its public keys, for the same two.",
    roles=Option("Name of a machine role.", complete=MACHINE_ROLES),
    serves=Option("Identifier of an API resource that it serves.", "--serves", complete=RESOURCES),
    enabled=None,
    dpop_bound_access_tokens=Option("Issue tokens only with a DPoP proof.", "--dpop-bound"),
    tls_client_certificate_bound_access_tokens=Option(
        "Issue tokens only with its client certificate.", "--certificate-bound"
    ),
    certificate_subject=CERTIFICATE_NAMES,
    grant_types=Option(f"{GRANTS}; client_credentials when omitted.", "--grant", GrantType()),
    redirect_uris=Option(REDIRECT_URIS),
    scopes=Option("Scope that users may agree to; all when omitted.", complete=PERMISSIONS),
    **PAGES,
)
@json_option
def create(new: NewClient, as_json: bool) -> None:
    """Create a client and print its secret, alone, on stdout."""
    clients = open_actions().clients
    view, issued = clients.create(OPERATOR, new)

    def undo() -> str:
        clients.delete(OPERATOR, view.id)
        return f"the client {view.client_id} is deleted again"

    if issued is None:
        print_record(as_json, view)
    else:
        print_secret(as_json, view, "client_secret", issued.token, f"The secret of the client {view.client_id}.", undo)
    if CLIENT_CREDENTIALS in view.grant_types and not (view.roles or view.serves):
        print_note(f"Warning: it gets no token without a role: `latchkey client update {view.client_id} --role NAME`")


@client.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the clients."""
    clients = open_actions().clients
    print_records(as_json, list_all(lambda limit, after: clients.page(limit, after)), COLUMNS)


@client.command()
@click.argument("name", shell_complete=CLIENTS)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a client, by client_id or id."""
    print_record(as_json, find_client(open_actions(), name))


@client.command()
@click.argument("name", shell_complete=CLIENTS)
@options_of(
    ClientChanges,
    name="A new name.",
    token_endpoint_auth_method=Option(flags="--auth-method"),
    jwks=Option("File with its public keys.", type=JWKS),
    jwks_uri="URL of its public keys; an empty value removes it.",
    roles=Option(
        "Name of a machine role; replaces the current ones.",
        complete=MACHINE_ROLES,
        clear="--no-roles",
        clear_help="Remove all roles.",
    ),
    serves=Option(
        "Identifier of an API resource; replaces the current ones.",
        "--serves",
        complete=RESOURCES,
        clear="--serves-none",
        clear_help="It serves no resource.",
    ),
    enabled=Option("Whether the client and its tokens are valid.", "--enable/--disable"),
    dpop_bound_access_tokens=Option("Whether it needs a DPoP proof for a token.", "--dpop-bound/--no-dpop-bound"),
    tls_client_certificate_bound_access_tokens=Option(
        "Whether it needs its certificate for a token.", "--certificate-bound/--no-certificate-bound"
    ),
    certificate_subject=CERTIFICATE_NAMES,
    grant_types=Option(f"{GRANTS}; replaces the current ones.", "--grant", GrantType()),
    redirect_uris=Option(
        f"{REDIRECT_URIS} Replaces the current ones.", clear="--no-redirect-uris", clear_help="Remove all of them."
    ),
    scopes=Option(
        "Scope that users may agree to; replaces the current ones.",
        complete=PERMISSIONS,
        clear="--all-scopes",
        clear_help="Users may agree to any scope.",
    ),
    **{name: f"{help} An empty value removes it." for name, help in PAGES.items()},
)
@json_option
def update(changes: ClientChanges, name: str, as_json: bool) -> None:
    """Change a client; fields that are not given keep their values."""
    actions = open_actions()
    if not isinstance(subject := changes.certificate_subject, Unset):  # a new subject replaces the old one
        changes = replace(changes, certificate_subject=dict.fromkeys(SUBJECT_FIELDS) | dict(subject))
    print_record(as_json, actions.clients.change(OPERATOR, find_client(actions, name).id, changes))


@client.command()
@click.argument("name", shell_complete=CLIENTS)
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a client; its secrets and tokens are invalid at once."""
    actions = open_actions()
    found = find_client(actions, name)
    actions.clients.delete(OPERATOR, found.id)
    print_done(as_json, f"The client {found.client_id} is deleted.", id=found.id, deleted=True)
