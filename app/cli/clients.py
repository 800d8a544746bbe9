"""`latchkey client`: registered programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast, get_args

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.clients import ClientChanges, NewClient
from app.cli.client_secrets import secret
from app.cli.federated_credentials import federated
from app.cli.jwks_file import JWKS, keys_in
from app.cli.options import enabled_option, many
from app.cli.output import done, json_option, show_all, show_one, show_secret
from app.cli.session import client_named, everything, open_actions
from app.crypto.certificate import SUBJECT_FIELDS
from app.models.auth_methods import Method

COLUMNS = ("client_id", "name", "token_endpoint_auth_method", "roles", "serves", "enabled")
METHOD = click.Choice(get_args(Method))
NAMES = (
    "What its certificate must name: subject_dn, san_dns, san_uri, san_ip or san_email, as in san_dns=robot.example."
)


class _Subject(click.ParamType[dict[str, str]]):
    """One field and its value, with `=` between."""

    name = "FIELD=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Give the field by its whole name; fails for one that is unknown."""
        short, _, wanted = str(value).partition("=")
        if (field := f"tls_client_auth_{short}") not in SUBJECT_FIELDS:
            self.fail("must be subject_dn, san_dns, san_uri, san_ip or san_email, then = and the value", param, ctx)
        return {field: wanted}


SUBJECT = _Subject()


@click.group()
def client() -> None:
    """Clients: create, list, show, update, delete; secret create, list, revoke; federated add, list, remove."""


client.add_command(secret)
client.add_command(federated)


@client.command()
@click.option("--name", required=True)
@click.option("--auth-method", type=METHOD, default="client_secret_basic", show_default=True)
@click.option(
    "--jwks", type=JWKS, help="File with its public keys, for private_key_jwt and self_signed_tls_client_auth."
)
@click.option("--jwks-uri", help="Where its public keys are, for the same two.")
@many("--role", "roles", "Name of a machine role.")
@many("--serves", "serves", "Identifier of a resource that it is the server of.")
@click.option("--certificate-names", type=SUBJECT, help=NAMES)
@click.option("--certificate-bound", is_flag=True, help="It gets no token without its client certificate.")
@click.option("--dpop-bound", is_flag=True, help="It gets no token without a DPoP proof.")
@json_option
def create(
    name: str,
    auth_method: str,
    jwks: Path | None,
    jwks_uri: str | None,
    roles: tuple[str, ...],
    serves: tuple[str, ...],
    certificate_names: dict[str, str] | None,
    certificate_bound: bool,
    dpop_bound: bool,
    as_json: bool,
) -> None:
    """Create a client; its secret is printed, alone, on stdout."""
    new = NewClient(
        name=name,
        token_endpoint_auth_method=cast(Method, auth_method),
        jwks=keys_in(jwks) if jwks else None,
        jwks_uri=jwks_uri,
        roles=roles,
        serves=serves,
        dpop_bound_access_tokens=dpop_bound,
        tls_client_certificate_bound_access_tokens=certificate_bound,
        certificate_subject=certificate_names or {},
    )
    clients = open_actions().clients
    view, issued = clients.create(OPERATOR, new)

    def undo() -> str:
        clients.delete(OPERATOR, view.id)
        return f"the client {view.client_id} is deleted again"

    if issued is None:
        show_one(as_json, view)
    else:
        show_secret(as_json, view, "client_secret", issued.token, f"The secret of the client {view.client_id}.", undo)


@client.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the clients."""
    clients = open_actions().clients
    show_all(as_json, everything(lambda limit, after: clients.page(limit, after)), COLUMNS)


@client.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a client, by client_id or id."""
    show_one(as_json, client_named(open_actions(), name))


@client.command()
@click.argument("name")
@click.option("--name", "new_name", help="A new name.")
@click.option("--auth-method", type=METHOD)
@click.option("--jwks", type=JWKS, help="File with its public keys.")
@click.option("--jwks-uri", help="Where its public keys are.")
@many("--role", "roles", "Name of a machine role; together they replace those that the client has.")
@click.option("--no-roles", is_flag=True, help="Take all roles away.")
@many("--serves", "serves", "Identifier of a resource; together they replace those that it serves.")
@click.option("--serves-none", is_flag=True, help="It serves nothing.")
@enabled_option("Whether the client and its tokens count.")
@click.option("--certificate-names", type=SUBJECT, help=NAMES)
@click.option("--certificate-bound/--no-certificate-bound", default=None, help="Whether it needs its certificate too.")
@click.option("--dpop-bound/--no-dpop-bound", default=None, help="Whether it needs a DPoP proof for a token.")
@json_option
def update(name: str, as_json: bool, **given: Any) -> None:
    """Change a client; what is not named stays."""
    actions = open_actions()
    show_one(as_json, actions.clients.change(OPERATOR, client_named(actions, name).id, _changes(**given)))


@client.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a client; its secrets and tokens are dead at once."""
    actions = open_actions()
    found = client_named(actions, name)
    actions.clients.delete(OPERATOR, found.id)
    done(as_json, f"The client {found.client_id} is deleted.", id=found.id, deleted=True)


def _changes(
    new_name: str | None,
    auth_method: str | None,
    jwks: Path | None,
    jwks_uri: str | None,
    roles: tuple[str, ...],
    no_roles: bool,
    serves: tuple[str, ...],
    serves_none: bool,
    enabled: bool | None,
    dpop_bound: bool | None,
    certificate_names: dict[str, str] | None,
    certificate_bound: bool | None,
) -> ClientChanges:
    method: Method | Unset = UNSET if auth_method is None else cast(Method, auth_method)
    return ClientChanges(
        name=UNSET if new_name is None else new_name,
        token_endpoint_auth_method=method,
        jwks=keys_in(jwks) if jwks else UNSET,
        jwks_uri=UNSET if jwks_uri is None else jwks_uri or None,
        roles=() if no_roles else roles or UNSET,
        serves=() if serves_none else serves or UNSET,
        enabled=UNSET if enabled is None else enabled,
        dpop_bound_access_tokens=UNSET if dpop_bound is None else dpop_bound,
        tls_client_certificate_bound_access_tokens=UNSET if certificate_bound is None else certificate_bound,
        certificate_subject=_only(certificate_names) if certificate_names else UNSET,
    )


def _only(subject: dict[str, str]) -> dict[str, str | None]:
    """Let this one take the place of whichever there was."""
    return dict.fromkeys(SUBJECT_FIELDS) | subject
