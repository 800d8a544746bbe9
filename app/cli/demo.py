"""`latchkey demo`: an example organisation to try things with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from app.actions.actor import OPERATOR
from app.actions.catalogue import Actions
from app.actions.demo import Demo, Made
from app.cli.output import json_option, say, show, table
from app.cli.session import open_actions
from app.cli.start import make_ready
from app.settings import load_settings

COLUMNS = ("kind", "name", "id", "secret")


@click.command()
@json_option
def demo(as_json: bool) -> None:
    """Set up an example organisation and print its secrets; what is there already stays."""
    settings = load_settings()
    make_ready(settings)
    made = furnish(open_actions(settings))
    if as_json:
        show([asdict(thing) for thing in made])
    elif made:
        table(COLUMNS, [asdict(thing) for thing in made])
        say("These secrets are shown this once.")
    else:
        say("The example organisation was there already; its secrets were shown when it was made.")


def furnish(actions: Actions) -> list[Made]:
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


def as_comments(made: Sequence[Made]) -> str:
    """Write the secrets as comments of a shell script."""
    if not made:
        return "# The example organisation was there already; its secrets were shown when it was made.\n"
    lines = [f"#   {thing.kind:<22} {thing.name:<16} {thing.id:<38} {thing.secret}" for thing in made]
    return "\n".join(["# The example organisation, its secrets shown this once:", *lines, ""])
