"""`latchkey backup` and `latchkey restore`: an instance on SQLite as one file."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from app.cli.output import json_option, print_json
from app.cli.standard_streams import print_note
from app.clock import system_clock
from app.maintenance.backup import SECRET_KEY, back_up
from app.maintenance.backup import restore as restore_backup
from app.settings.load import load_existing_settings, settings_as_given

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=FILE)
@click.option("--without-secret-key", is_flag=True, help="Leave SECRET_KEY out, when it is kept elsewhere.")
@json_option
def backup(file: Path, without_secret_key: bool, as_json: bool) -> None:
    """Write the database and the SECRET_KEY into one new FILE, while the server runs.

    FILE holds the signing keys: protect it as you protect them.
    """
    given = settings_as_given()
    settings = load_existing_settings() if given.database_file else given  # PostgreSQL is backed up by its programs
    manifest = back_up(settings, file, system_clock(), with_secret_key=not without_secret_key)
    if as_json:
        print_json({"file": str(file)} | asdict(manifest))
    print_note(f"{file} holds the database as committed at {manifest.made_at}.")
    if SECRET_KEY not in manifest.members:
        print_note("It does not hold the SECRET_KEY, without which it cannot be used.")


@click.command()
@click.argument("file", type=FILE)
@json_option
def restore(file: Path, as_json: bool) -> None:
    """Restore FILE into an instance folder without a database; the next start migrates it."""
    settings = settings_as_given()
    manifest = restore_backup(settings, file)
    if as_json:
        print_json(asdict(manifest))
    print_note(f"Restored the state of {manifest.issuer} at {manifest.made_at}. Anything created since is missing,")
    print_note("and anything revoked since is active again: revoke or rotate it again.")
