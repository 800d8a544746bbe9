"""`latchkey identity-provider`: the OpenID providers at which users sign in."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import UNSET
from app.actions.directory.identity_provider_records import IdentityProviderChanges, NewIdentityProvider
from app.cli.actions import list_all, open_actions
from app.cli.completion import IDENTITY_PROVIDERS
from app.cli.options import ANY_TEXT
from app.cli.output import json_option, print_done, print_record, print_records
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of
from app.errors import Invalid
from app.settings.text_input import clean_text

COLUMNS = ("id", "name", "issuer", "client_id", "enabled", "from_file", "redirect_uri")
SECRET_FILE = click.option(
    "--client-secret-file",
    "secret_file",
    type=ANY_TEXT,
    help="File with the client secret that the provider gave us, or - for stdin.",
)
ROLE = click.option(
    "--role", "roles", multiple=True, help="GROUP=ROLE: a role for everybody in a group. Can be repeated."
)
CLAIM = click.option(
    "--require", "claims", multiple=True, help="NAME=TEXT: a claim that everybody must have. Can be repeated."
)
GROUPS_CLAIM = "The claim that has a person's groups."


@click.group("identity-provider", cls=Group)
def identity_provider() -> None:
    """Identity providers: create, list, show, update, delete."""


@identity_provider.command()
@options_of(
    NewIdentityProvider,
    name="What the button on /login is called.",
    issuer="The provider's issuer, an https URL.",
    client_id="Our client_id there.",
    client_secret=None,
    private_key_jwt=Option("Authenticate there with our signing key, without a secret.", "--private-key-jwt"),
    scopes="A scope to ask for; openid, profile and email when omitted.",
    username_claim="The claim that becomes a new user's username.",
    groups_claim=GROUPS_CLAIM,
    roles=None,
    create_users=Option("Make a user of anyone who signs in the first time.", "--create-users"),
    required_claims=None,
    enabled=Option("Do not offer it on /login yet.", "--disabled"),
)
@SECRET_FILE
@ROLE
@CLAIM
@json_option
def create(
    new: NewIdentityProvider, secret_file: Any, roles: tuple[str, ...], claims: tuple[str, ...], as_json: bool
) -> None:
    """Add an identity provider; enter its redirect_uri there."""
    maps: dict[str, Any] = {"roles": _read_roles(roles), "required_claims": _read_claims(claims)}
    new = replace(new, client_secret=_read_secret(secret_file), **maps)
    print_record(as_json, open_actions().federation.manage.create(OPERATOR, new))


@identity_provider.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the identity providers, the settings file's first."""
    print_records(as_json, list_all(open_actions().federation.manage.page), COLUMNS)


@identity_provider.command()
@click.argument("provider_id", metavar="ID", shell_complete=IDENTITY_PROVIDERS)
@json_option
def show(provider_id: str, as_json: bool) -> None:
    """Show an identity provider, never its secret."""
    print_record(as_json, open_actions().federation.manage.get(provider_id))


@identity_provider.command()
@click.argument("provider_id", metavar="ID", shell_complete=IDENTITY_PROVIDERS)
@options_of(
    IdentityProviderChanges,
    name="What the button on /login is called.",
    client_id="Our client_id there.",
    client_secret=None,
    private_key_jwt=Option("Whether our signing key authenticates us there.", "--private-key-jwt/--by-secret"),
    scopes="A scope to ask for; replaces the current ones.",
    username_claim="The claim that becomes a new user's username.",
    groups_claim=GROUPS_CLAIM,
    roles=None,
    create_users=Option(
        "Whether a person who signs in the first time becomes a user.", "--create-users/--no-create-users"
    ),
    required_claims=None,
    enabled=Option("Whether it is offered; disabling it ends the sign-ins that began there.", "--enable/--disable"),
)
@SECRET_FILE
@ROLE
@CLAIM
@json_option
def update(
    changes: IdentityProviderChanges,
    provider_id: str,
    secret_file: Any,
    roles: tuple[str, ...],
    claims: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change an identity provider; fields that are not given keep their values, --role and --require replace all."""
    secret = _read_secret(secret_file)
    maps: dict[str, Any] = {"roles": _read_roles(roles) or UNSET, "required_claims": _read_claims(claims) or UNSET}
    changes = replace(changes, client_secret=UNSET if secret is None else secret, **maps)
    print_record(as_json, open_actions().federation.manage.change(OPERATOR, provider_id, changes))


@identity_provider.command()
@click.argument("provider_id", metavar="ID", shell_complete=IDENTITY_PROVIDERS)
@json_option
def delete(provider_id: str, as_json: bool) -> None:
    """Delete an identity provider, with the roles that it gives; the links of users stay."""
    open_actions().federation.manage.delete(OPERATOR, provider_id)
    print_done(as_json, f"The identity provider {provider_id} is deleted.", id=provider_id, deleted=True)


def _read_secret(file: Any) -> str | None:
    if file is None:
        return None
    try:
        return clean_text(file.read())
    except ValueError as error:
        raise Invalid.field("client_secret", str(error)) from None


def _read_roles(texts: Iterable[str]) -> dict[str, list[str]]:
    """Return the roles of each group."""
    found: dict[str, list[str]] = {}
    for group, role in (_split(text, "roles", "GROUP=ROLE") for text in texts):
        found.setdefault(group, []).append(role)
    return found


def _read_claims(texts: Iterable[str]) -> dict[str, str]:
    return dict(_split(text, "required_claims", "NAME=TEXT") for text in texts)


def _split(text: str, field: str, form: str) -> tuple[str, str]:
    name, equals, value = text.rpartition("=") if field == "roles" else text.partition("=")
    if not equals:
        raise Invalid.field(field, f"{text!r} is not valid: use {form}")
    return name, value
