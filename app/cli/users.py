"""`latchkey user`: people."""

from __future__ import annotations

import secrets

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.users import NewUser, UserChanges
from app.cli.options import enabled_option, many
from app.cli.output import done, json_option, show_all, show_one, show_secret
from app.cli.password_input import read_password
from app.cli.session import everything, open_actions, user_named

COLUMNS = ("id", "username", "email", "roles", "enabled", "created_at")


@click.group()
def user() -> None:
    """Users: create, list, show, update, set-password, delete."""


@user.command()
@click.option("--username", required=True)
@click.option("--email")
@click.option("--display-name", default="")
@many("--role", "roles", "Name of a user role.")
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin (asked for on a terminal).")
@click.option("--generate-password", is_flag=True, help="Make a password and print it, alone, on stdout.")
@json_option
def create(
    username: str,
    email: str | None,
    display_name: str,
    roles: tuple[str, ...],
    password_stdin: bool,
    generate_password: bool,
    as_json: bool,
) -> None:
    """Create a user; without a password nobody can sign in as them."""
    made = secrets.token_urlsafe(18) if generate_password else None
    password = made or (read_password() if password_stdin else None)
    new = NewUser(username=username, email=email, password=password, display_name=display_name, roles=roles)
    users = open_actions().users
    view = users.create(OPERATOR, new)

    def undo() -> str:
        users.delete(OPERATOR, view.id)
        return f"the user {view.username} is deleted again"

    if made:
        show_secret(as_json, view, "password", made, f"The password of {view.username}.", undo)
    else:
        show_one(as_json, view)


@user.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the users."""
    users = open_actions().users
    show_all(as_json, everything(lambda limit, after: users.page(limit, after)), COLUMNS)


@user.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a user, by username or id, and what their roles give now."""
    actions = open_actions()
    profile = actions.users.profile(user_named(actions, name).id)
    show_one(as_json, profile.user, scopes=list(profile.scopes))


@user.command()
@click.argument("name")
@click.option("--username", help="A new username.")
@click.option("--email", help="An address; empty takes it away.")
@click.option("--display-name")
@many("--role", "roles", "Name of a user role; together they replace those that the user has.")
@click.option("--no-roles", is_flag=True, help="Take all roles away.")
@enabled_option("Whether the user's tokens count.")
@json_option
def update(
    name: str,
    username: str | None,
    email: str | None,
    display_name: str | None,
    roles: tuple[str, ...],
    no_roles: bool,
    enabled: bool | None,
    as_json: bool,
) -> None:
    """Change a user; what is not named stays."""
    actions = open_actions()
    address: str | Unset | None = UNSET if email is None else email or None
    changes = UserChanges(
        username=UNSET if username is None else username,
        email=address,
        display_name=UNSET if display_name is None else display_name,
        enabled=UNSET if enabled is None else enabled,
        roles=() if no_roles else roles or UNSET,
    )
    show_one(as_json, actions.users.change(OPERATOR, user_named(actions, name).id, changes))


@user.command("set-password")
@click.argument("name")
@json_option
def set_password(name: str, as_json: bool) -> None:
    """Set a user's password, asked for on a terminal, else read from stdin."""
    actions = open_actions()
    found = user_named(actions, name)
    actions.users.change(OPERATOR, found.id, UserChanges(password=read_password()))
    done(as_json, f"The password of {found.username} is set.", id=found.id, username=found.username)


@user.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a user; their tokens are dead at once."""
    actions = open_actions()
    found = user_named(actions, name)
    actions.users.delete(OPERATOR, found.id)
    done(as_json, f"{found.username} is deleted.", id=found.id, deleted=True)
