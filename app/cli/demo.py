"""`latchkey demo`: an example organisation to experiment with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import click

from app.actions.audit.actor import OPERATOR
from app.cli.actions import find_client, find_user, open_actions
from app.cli.output import json_option, print_json, print_table
from app.cli.set_up import set_up_instance
from app.cli.standard_streams import print_note, refuse_unwritable, undo_unless_printed
from app.compose import Actions
from app.maintenance.demo import TOKEN, Created, Demo
from app.settings.load import load_settings

COLUMNS = ("kind", "name", "id", "secret")


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Set up an example organisation and print its secrets; keep what exists."""
    refuse_unwritable()
    settings = load_settings()
    set_up_instance(settings)
    actions = open_actions(settings)
    created = create_demo(actions)
    with undo_unless_printed(lambda: revoke_demo(actions, created)):
        if as_json:
            print_json([asdict(thing) for thing in created])
        elif created:
            print_table(COLUMNS, [asdict(thing) for thing in created], whole=("id", "secret"))
    if as_json:
        return
    if created:
        print_note("These secrets are not shown again.")
    else:
        print_note("The example organisation exists already; its secrets were shown when it was created.")


def create_demo(actions: Actions) -> list[Created]:
    """Create the missing objects of the example organisation; return the new secrets."""
    demo = Demo(
        actions.resources,
        actions.roles,
        actions.users,
        actions.clients,
        actions.personal_access_tokens,
        actions.api_keys,
    )
    created = demo(OPERATOR)
    actions.store.dispose()
    return created


def revoke_demo(actions: Actions, created: Sequence[Created]) -> str:
    """Delete the new objects and revoke the new secrets that were not shown; return what was done."""
    tokens = actions.personal_access_tokens
    revoke: dict[str, Callable[[str], object]] = {
        "personal access token": lambda id: tokens.revoke(OPERATOR, find_user(actions, TOKEN[0]).id, id),
        "user": lambda user_id: actions.users.delete(OPERATOR, user_id),
        "client": lambda client_id: actions.clients.delete(OPERATOR, find_client(actions, client_id).id),
        "API key": lambda key_id: actions.api_keys.revoke(OPERATOR, key_id),
    }
    for thing in reversed(created):  # a user's token before the user
        revoke[thing.kind](thing.id)
    return "what was created of the example organisation is deleted or revoked"


def as_comments(created: Sequence[Created]) -> str:
    """Format the secrets as comments of a shell script."""
    if not created:
        return "# The example organisation exists already; its secrets were shown when it was created.\n"
    lines = [f"#   {thing.kind:<22} {thing.name:<16} {thing.id:<38} {thing.secret}".rstrip() for thing in created]
    return "\n".join(["# The example organisation; its secrets are not shown again:", *lines, ""])
