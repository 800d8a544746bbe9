"""`latchkey backup` and `latchkey restore`: an instance on SQLite in one file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from app.cli.output import json_option, say, show
from app.clock import system_clock
from app.maintenance.backup import SECRET_KEY, back_up
from app.maintenance.backup import restore as put_back
from app.settings.load import load_settings, settings_as_given

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=FILE)
@click.option("--without-secret-key", is_flag=True, help="Leave SECRET_KEY out: it is kept elsewhere.")
@json_option
def backup(file: Path, without_secret_key: bool, as_json: bool) -> None:
    """Write the database and the SECRET_KEY into one new FILE, while the server goes on.

    Whoever has FILE has the signing keys: keep it as you keep them.
    """
    manifest = back_up(load_settings(), file, system_clock(), with_secret_key=not without_secret_key)
    if as_json:
        show({"file": str(file)} | asdict(manifest))
    say(f"{file} holds what was committed at {manifest.made_at}.")
    if SECRET_KEY not in manifest.members:
        say("It does not hold the SECRET_KEY, without which it is of no use.")


@click.command()
@click.argument("file", type=FILE)
@json_option
def restore(file: Path, as_json: bool) -> None:
    """Put a backup FILE into an instance folder that has no database yet; the next start migrates it."""
    settings = settings_as_given()
    manifest = put_back(settings, file)
    if as_json:
        show(asdict(manifest))
    say(f"Restored what was at {manifest.made_at}, of {manifest.issuer}. What was made since is not in it,")
    say("and what was revoked since is alive again: revoke it again, or rotate it.")
