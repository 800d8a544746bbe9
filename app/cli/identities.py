"""`latchkey user identity`: the accounts at identity providers with which a user signs in."""

from __future__ import annotations

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.identity_provider_records import NewIdentityLink
from app.cli.actions import find_user, list_all, open_actions
from app.cli.completion import IDENTITY_PROVIDERS, USERS
from app.cli.output import json_option, print_done, print_record, print_records
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of

COLUMNS = ("id", "provider", "issuer", "subject", "created_at", "last_used_at")


@click.group(cls=Group)
def identity() -> None:
    """Accounts at identity providers with which a user signs in: add, list, remove."""


@identity.command()
@click.argument("name", shell_complete=USERS)
@options_of(
    NewIdentityLink,
    provider=Option("Id of the identity provider.", complete=IDENTITY_PROVIDERS),
    subject="Who it is there: the sub of its ID tokens.",
)
@json_option
def add(new: NewIdentityLink, name: str, as_json: bool) -> None:
    """Link an account to a user: anyone who has it signs in as them."""
    actions = open_actions()
    print_record(as_json, actions.federation.links.create(OPERATOR, find_user(actions, name).id, new))


@identity.command("list")
@click.argument("name", shell_complete=USERS)
@json_option
def list_(name: str, as_json: bool) -> None:
    """List the accounts that are linked to a user."""
    actions = open_actions()
    user_id, links = find_user(actions, name).id, actions.federation.links
    print_records(as_json, list_all(lambda limit, after: links.page(user_id, limit, after)), COLUMNS)


@identity.command()
@click.argument("name", shell_complete=USERS)
@click.argument("identity_id")
@json_option
def remove(name: str, identity_id: str, as_json: bool) -> None:
    """Unlink an account from a user; every sign-in of theirs ends."""
    actions = open_actions()
    actions.federation.links.end_for(OPERATOR, find_user(actions, name).id, identity_id)
    print_done(as_json, f"The account {identity_id} is not linked any more.", id=identity_id, deleted=True)
