"""`latchkey pat`: personal access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import get_args

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.fields import Status
from app.actions.directory.personal_access_tokens import NewToken, TokenChanges
from app.cli.actions import find_user, list_all, open_actions
from app.cli.completion import PERMISSIONS, TOKENS, USERS
from app.cli.options import Duration
from app.cli.output import json_option, print_done, print_record, print_records, print_secret
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of
from app.cli.standard_streams import refuse_unwritable
from app.compose import Actions

COLUMNS = ("id", "name", "hint", "scopes", "status", "expires_at", "last_used_at")
HELP = "Username or id of the token's owner."
USER = click.option("--user", "owner", required=True, metavar="NAME", help=HELP, shell_complete=USERS)
ANY_USER = click.option(
    "--user", "owner", metavar="NAME", help=f"{HELP} Not needed: ids are unique.", shell_complete=USERS
)


@click.group(cls=Group)
def pat() -> None:
    """Personal access tokens: create, list, show, update, regenerate, revoke."""


@pat.command()
@USER
@options_of(
    NewToken,
    name="Unique among the user's active tokens.",
    scopes=Option("What it may do; the user's roles must grant it.", complete=PERMISSIONS),
    expires_at="When it expires.",
    expires_in=Option("How long it is valid, such as 30d.", type=Duration()),
    never=Option("Valid until it is revoked, where the policy allows that.", "--never-expires"),
)
@json_option
def create(new: NewToken, owner: str, as_json: bool) -> None:
    """Create a token and print it, alone, on stdout."""
    lifetime = new.lifetime
    if (lifetime.expires_in is not None) + (lifetime.expires_at is not None) + lifetime.never > 1:
        raise click.UsageError("--expires-in, --expires-at and --never-expires exclude each other")
    actions = open_actions()
    tokens, user_id = actions.personal_access_tokens, find_user(actions, owner).id
    view, issued = tokens.create(OPERATOR, user_id, new)

    def undo() -> str:
        tokens.revoke(OPERATOR, user_id, view.id)
        return f"the token {view.id} is revoked"

    print_secret(as_json, view, "token", issued.token, _describe(view.id, view.expires_at), undo)


@pat.command("list")
@USER
@click.option("--status", type=click.Choice(get_args(Status)), help="Only tokens of this status.")
@json_option
def list_(owner: str, status: Status | None, as_json: bool) -> None:
    """List a user's tokens."""
    actions = open_actions()
    user_id, tokens = find_user(actions, owner).id, actions.personal_access_tokens
    print_records(as_json, list_all(lambda limit, after: tokens.page(user_id, limit, after, status)), COLUMNS)


@pat.command()
@ANY_USER
@click.argument("token_id", metavar="ID", shell_complete=TOKENS)
@json_option
def show(owner: str | None, token_id: str, as_json: bool) -> None:
    """Show a token, never its secret."""
    actions = open_actions()
    print_record(as_json, actions.personal_access_tokens.get(_find_owner(actions, owner, token_id), token_id))


@pat.command()
@ANY_USER
@click.argument("token_id", metavar="ID", shell_complete=TOKENS)
@options_of(TokenChanges)
@json_option
def update(changes: TokenChanges, owner: str | None, token_id: str, as_json: bool) -> None:
    """Change a token's name or description."""
    actions = open_actions()
    user_id, tokens = _find_owner(actions, owner, token_id), actions.personal_access_tokens
    print_record(as_json, tokens.change(OPERATOR, user_id, token_id, changes))


@pat.command()
@ANY_USER
@click.argument("token_id", metavar="ID", shell_complete=TOKENS)
@json_option
def regenerate(owner: str | None, token_id: str, as_json: bool) -> None:
    """Replace the secret of a token and print the new one, alone, on stdout; the old one is invalid at once."""
    refuse_unwritable()
    actions = open_actions()
    tokens, user_id = actions.personal_access_tokens, _find_owner(actions, owner, token_id)
    view, issued = tokens.regenerate(OPERATOR, user_id, token_id)

    def undo() -> str:
        tokens.regenerate(OPERATOR, user_id, token_id)  # the old secret is gone: replace one that was partly printed
        return f"the token {token_id} has no usable secret: regenerate it again"

    print_secret(as_json, view, "token", issued.token, _describe(view.id, view.expires_at), undo)


@pat.command()
@ANY_USER
@click.argument("token_id", metavar="ID", shell_complete=TOKENS)
@json_option
def revoke(owner: str | None, token_id: str, as_json: bool) -> None:
    """Revoke a token for good."""
    actions = open_actions()
    actions.personal_access_tokens.revoke(OPERATOR, _find_owner(actions, owner, token_id), token_id)
    print_done(as_json, f"The token {token_id} is revoked.", id=token_id, status="revoked")


def _find_owner(actions: Actions, owner: str | None, token_id: str) -> str:
    """Return the id of the named user, else of the token's owner. Raise NotFound."""
    return find_user(actions, owner).id if owner else actions.personal_access_tokens.owner_of(token_id)


def _describe(token_id: str, expires_at: datetime | None) -> str:
    return f"Token {token_id}, valid until " + (f"{expires_at:%Y-%m-%d %H:%M} UTC." if expires_at else "it is revoked.")
