"""`latchkey grant`: what users allowed to apps."""

from __future__ import annotations

from typing import get_args

import click

from app.actions.audit.actor import OPERATOR
from app.actions.delegation.apps import GrantView
from app.actions.directory.fields import Status
from app.actions.directory.rows import Page
from app.cli.actions import find_client, find_user, list_all, open_actions
from app.cli.completion import CLIENTS, GRANTS, USERS
from app.cli.output import json_option, print_done, print_record, print_records
from app.cli.parsing import Group

COLUMNS = ("id", "username", "client_name", "client_id", "scopes", "status", "expires_at", "last_used_at")


@click.group(cls=Group)
def grant() -> None:
    """Grants of apps, by which they act for users: list, show, revoke."""


@grant.command("list")
@click.option(
    "--client", metavar="NAME", shell_complete=CLIENTS, help="Only grants of this client, by client_id or id."
)
@click.option("--user", metavar="NAME", shell_complete=USERS, help="Only grants by this user, by username or id.")
@click.option("--status", type=click.Choice(get_args(Status)), help="Only grants of this status.")
@json_option
def list_(client: str | None, user: str | None, status: Status | None, as_json: bool) -> None:
    """List the grants of apps, the newest first."""
    actions = open_actions()
    client_row_id = find_client(actions, client).id if client else None
    user_id = find_user(actions, user).id if user else None

    def page(limit: int, after: str | None) -> Page[GrantView]:
        return actions.apps.grants(limit, after, client_row_id=client_row_id, user_id=user_id, status=status)

    print_records(as_json, list_all(page), COLUMNS)


@grant.command()
@click.argument("grant_id", metavar="ID", shell_complete=GRANTS)
@json_option
def show(grant_id: str, as_json: bool) -> None:
    """Show a grant, never its tokens."""
    print_record(as_json, open_actions().apps.grant(grant_id))


@grant.command()
@click.argument("grant_id", metavar="ID", shell_complete=GRANTS)
@json_option
def revoke(grant_id: str, as_json: bool) -> None:
    """Revoke a grant for good; the app's tokens of it are invalid at once."""
    open_actions().apps.end_grant(OPERATOR, grant_id)
    print_done(as_json, f"The grant {grant_id} is revoked.", id=grant_id, status="revoked")
