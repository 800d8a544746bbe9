"""`latchkey user`: people."""

from __future__ import annotations

import secrets
from dataclasses import replace

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.one_time_links import NewLink, Purpose
from app.actions.directory.users import NewUser, UserChanges
from app.actions.sign_in.passwords import GENERATED
from app.cli.actions import find_user, list_all, open_actions
from app.cli.completion import USER_ROLES, USERS
from app.cli.identities import identity
from app.cli.output import json_option, print_done, print_record, print_records, print_secret
from app.cli.parsing import Group
from app.cli.password_input import read_password
from app.cli.record_options import Option, options_of

COLUMNS = ("id", "username", "email", "roles", "enabled", "created_at")


@click.group(cls=Group)
def user() -> None:
    """Users: create, list, show, update, invite, reset-password, set-password, reset-factors, delete, identity."""


user.add_command(identity)


@user.command()
@options_of(NewUser, password=None, enabled=None, roles=Option("Name of a user role.", complete=USER_ROLES))
@click.option("--password-stdin", is_flag=True, help="Read the password from stdin; prompt for it on a terminal.")
@click.option("--generate-password", is_flag=True, help="Generate a password and print it, alone, on stdout.")
@json_option
def create(new: NewUser, password_stdin: bool, generate_password: bool, as_json: bool) -> None:
    """Create a user; without a password nobody can sign in as them."""
    generated = secrets.token_urlsafe(18) if generate_password else None
    password = generated or (read_password() if password_stdin else None)
    users = open_actions().users
    view = users.create(OPERATOR, replace(new, password=password), generated=generate_password)

    def undo() -> str:
        users.delete(OPERATOR, view.id)
        return f"the user {view.username} is deleted again"

    if generated:
        print_secret(
            as_json,
            view,
            "password",
            generated,
            f"The password of {view.username}, valid for {GENERATED.days} days.",
            undo,
        )
    else:
        print_record(as_json, view)


@user.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the users."""
    users = open_actions().users
    print_records(as_json, list_all(lambda limit, after: users.page(limit, after)), COLUMNS)


@user.command()
@click.argument("name", shell_complete=USERS)
@json_option
def show(name: str, as_json: bool) -> None:
    """Show a user, by username or id, with the scopes that their roles grant now."""
    actions = open_actions()
    profile = actions.users.profile(find_user(actions, name).id)
    print_record(as_json, profile.user, scopes=list(profile.scopes))


@user.command()
@click.argument("name", shell_complete=USERS)
@options_of(
    UserChanges,
    username="A new username.",
    email="An address; an empty value removes it.",
    password=None,
    roles=Option(
        "Name of a user role; replaces the current ones.",
        complete=USER_ROLES,
        clear="--no-roles",
        clear_help="Remove all roles.",
    ),
    enabled=Option("Whether the user can sign in and their tokens are valid.", "--enable/--disable"),
)
@json_option
def update(changes: UserChanges, name: str, as_json: bool) -> None:
    """Change a user; fields that are not given keep their values."""
    actions = open_actions()
    print_record(as_json, actions.users.change(OPERATOR, find_user(actions, name).id, changes))


@user.command("set-password")
@click.argument("name", shell_complete=USERS)
@json_option
def set_password(name: str, as_json: bool) -> None:
    """Set a user's password: prompt for it on a terminal, else read it from stdin."""
    actions = open_actions()
    found = find_user(actions, name)
    actions.users.change(OPERATOR, found.id, UserChanges(password=read_password()))
    print_done(as_json, f"The password of {found.username} is set.", id=found.id, username=found.username)


@user.command("reset-factors")
@click.argument("name", shell_complete=USERS)
@json_option
def reset_factors(name: str, as_json: bool) -> None:
    """Remove the second factors of a user who lost them; their sign-ins end."""
    actions = open_actions()
    found = find_user(actions, name)
    actions.second_factors.reset(OPERATOR, found.id)
    done = f"{found.username} has no second factor any more, and every sign-in of theirs has ended."
    print_done(as_json, done, id=found.id, username=found.username)


@user.command()
@click.argument("name", shell_complete=USERS)
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a user; their tokens are invalid at once."""
    actions = open_actions()
    found = find_user(actions, name)
    actions.users.delete(OPERATOR, found.id)
    print_done(as_json, f"{found.username} is deleted.", id=found.id, deleted=True)


@user.command()
@click.argument("name", shell_complete=USERS)
@json_option
def invite(name: str, as_json: bool) -> None:
    """Invite a user to set a password: mail a link that works once, or print it."""
    _create_link(name, "invitation", as_json)


@user.command("reset-password")
@click.argument("name", shell_complete=USERS)
@json_option
def reset_password(name: str, as_json: bool) -> None:
    """Reset a user's password: mail a link that works once, or print it."""
    _create_link(name, "reset", as_json)


def _create_link(name: str, purpose: Purpose, as_json: bool) -> None:
    actions = open_actions()
    found, links = find_user(actions, name), actions.one_time_links
    made = links.create(OPERATOR, found.id, NewLink(purpose))

    def undo() -> str:
        links.withdraw(made.id)
        return "the link is withdrawn"

    if made.url is None:
        note = f"The link is on its way to {made.sent_to}."
        print_done(as_json, note, id=made.id, purpose=purpose, sent_to=made.sent_to, url=None)
    else:
        print_secret(as_json, made, "url", made.url, f"{found.username} can use it once, within an hour.", undo)
