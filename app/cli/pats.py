"""`latchkey pat`: personal access tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import UNSET
from app.actions.directory.lifetime import AskedLifetime
from app.actions.directory.personal_access_tokens import NewToken, TokenChanges
from app.cli.options import Duration, Instant, many
from app.cli.output import done, json_option, show_all, show_one, show_secret
from app.cli.session import everything, open_actions, user_named
from app.cli.streams import refuse_unwritable

COLUMNS = ("id", "name", "hint", "scopes", "status", "expires_at", "last_used_at")
STATUS = click.Choice(["active", "expired", "revoked"])
USER = click.option("--user", "owner", required=True, metavar="NAME", help="Username or id of whose token it is.")


@click.group()
def pat() -> None:
    """Personal access tokens: create, list, show, update, regenerate, revoke."""


@pat.command()
@USER
@click.option("--name", required=True, help="Unique among the user's live tokens.")
@many("--scope", "scopes", "What it may do; the user's roles must give it.")
@click.option("--description", default="")
@click.option("--expires-in", type=Duration(), help="How long it lives, as in 30d.")
@click.option("--expires-at", type=Instant(), help="When it ends.")
@click.option("--never-expires", is_flag=True, help="It lives until it is revoked, where the policy allows that.")
@json_option
def create(
    owner: str,
    name: str,
    scopes: tuple[str, ...],
    description: str,
    expires_in: int | None,
    expires_at: datetime | None,
    never_expires: bool,
    as_json: bool,
) -> None:
    """Create a token, printed alone on stdout."""
    if (expires_in is not None) + (expires_at is not None) + never_expires > 1:
        raise click.UsageError("--expires-in, --expires-at and --never-expires exclude each other")
    actions = open_actions()
    tokens, user_id = actions.personal_access_tokens, user_named(actions, owner).id
    lifetime = AskedLifetime(expires_at=expires_at, expires_in=expires_in, never=never_expires)
    new = NewToken(name=name, scopes=scopes, lifetime=lifetime, description=description)
    view, issued = tokens.create(OPERATOR, user_id, new)

    def undo() -> str:
        tokens.revoke(OPERATOR, user_id, view.id)
        return f"the token {view.id} is revoked"

    show_secret(as_json, view, "token", issued.token, f"Token {view.id}, {_end(view.expires_at)}.", undo)


@pat.command("list")
@USER
@click.option("--status", type=STATUS, help="Only tokens of this status.")
@json_option
def list_(owner: str, status: Literal["active", "expired", "revoked"] | None, as_json: bool) -> None:
    """List a user's tokens."""
    actions = open_actions()
    found, tokens = user_named(actions, owner), actions.personal_access_tokens
    show_all(as_json, everything(lambda limit, after: tokens.page(found.id, limit, after, status)), COLUMNS)


@pat.command()
@USER
@click.argument("token_id", metavar="ID")
@json_option
def show(owner: str, token_id: str, as_json: bool) -> None:
    """Show a token, never its secret."""
    actions = open_actions()
    show_one(as_json, actions.personal_access_tokens.get(user_named(actions, owner).id, token_id))


@pat.command()
@USER
@click.argument("token_id", metavar="ID")
@click.option("--name")
@click.option("--description")
@json_option
def update(owner: str, token_id: str, name: str | None, description: str | None, as_json: bool) -> None:
    """Rename a token or describe it anew."""
    actions = open_actions()
    found = user_named(actions, owner)
    changes = TokenChanges(UNSET if name is None else name, UNSET if description is None else description)
    show_one(as_json, actions.personal_access_tokens.change(OPERATOR, found.id, token_id, changes))


@pat.command()
@USER
@click.argument("token_id", metavar="ID")
@json_option
def regenerate(owner: str, token_id: str, as_json: bool) -> None:
    """Give a token a new secret, printed alone on stdout; the old one is dead at once."""
    refuse_unwritable()
    actions = open_actions()
    tokens, user_id = actions.personal_access_tokens, user_named(actions, owner).id
    view, issued = tokens.regenerate(OPERATOR, user_id, token_id)

    def undo() -> str:
        tokens.regenerate(OPERATOR, user_id, token_id)  # the old secret is dead: leave none that anybody saw a part of
        return f"the token {token_id} has no secret that works: regenerate it once more"

    show_secret(as_json, view, "token", issued.token, f"Token {view.id}, {_end(view.expires_at)}.", undo)


@pat.command()
@USER
@click.argument("token_id", metavar="ID")
@json_option
def revoke(owner: str, token_id: str, as_json: bool) -> None:
    """End a token for good."""
    actions = open_actions()
    actions.personal_access_tokens.revoke(OPERATOR, user_named(actions, owner).id, token_id)
    done(as_json, f"The token {token_id} is revoked.", id=token_id, status="revoked")


def _end(expires_at: datetime | None) -> str:
    return f"good until {expires_at:%Y-%m-%d %H:%M} UTC" if expires_at else "good until it is revoked"
