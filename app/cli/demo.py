"""`latchkey demo`: an example organisation to try things with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

import click

from app.actions.audit.actor import OPERATOR
from app.cli.output import json_option, say, show, table
from app.cli.session import client_named, open_actions, user_named
from app.cli.start import make_ready
from app.cli.streams import refuse_unwritable, undone_unless_printed
from app.compose import Actions
from app.maintenance.demo import TOKEN, Created, Demo
from app.settings.load import load_settings

COLUMNS = ("kind", "name", "id", "secret")


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Set up an example organisation and print its secrets; what is there already stays."""
    refuse_unwritable()
    settings = load_settings()
    make_ready(settings)
    actions = open_actions(settings)
    made = furnish(actions)
    with undone_unless_printed(lambda: withdraw(actions, made)):
        if as_json:
            show([asdict(thing) for thing in made])
        elif made:
            table(COLUMNS, [asdict(thing) for thing in made])
    if as_json:
        return
    if made:
        say("These secrets are shown this once.")
    else:
        say("The example organisation was there already; its secrets were shown when it was made.")


def furnish(actions: Actions) -> list[Created]:
    """Make what is missing of the example organisation; gives the new secrets."""
    make = Demo(
        actions.resources,
        actions.roles,
        actions.users,
        actions.clients,
        actions.personal_access_tokens,
        actions.api_keys,
    )
    made = make(OPERATOR)
    actions.store.dispose()
    return made


def withdraw(actions: Actions, made: Sequence[Created]) -> str:
    """End what was made and nobody was shown; return words for it."""
    tokens = actions.personal_access_tokens
    end: dict[str, Callable[[str], object]] = {
        "personal access token": lambda id: tokens.revoke(OPERATOR, user_named(actions, TOKEN[0]).id, id),
        "user": lambda user_id: actions.users.delete(OPERATOR, user_id),
        "client": lambda client_id: actions.clients.delete(OPERATOR, client_named(actions, client_id).id),
        "API key": lambda key_id: actions.api_keys.revoke(OPERATOR, key_id),
    }
    for thing in reversed(made):  # a user's token before the user
        end[thing.kind](thing.id)
    return "what was made of the example organisation is ended"


def as_comments(made: Sequence[Created]) -> str:
    """Write the secrets as comments of a shell script."""
    if not made:
        return "# The example organisation was there already; its secrets were shown when it was made.\n"
    lines = [f"#   {thing.kind:<22} {thing.name:<16} {thing.id:<38} {thing.secret}" for thing in made]
    return "\n".join(["# The example organisation, its secrets shown this once:", *lines, ""])
