"""`latchkey init`: set up without serving."""

from __future__ import annotations

import click

from app.cli.output import json_option, print_json
from app.cli.set_up import set_up_instance
from app.cli.standard_streams import print_note
from app.settings.load import load_settings


@click.command()
@json_option
def init(as_json: bool) -> None:
    """Set up the database, the signing keys and the first credentials; keep what exists."""
    settings = load_settings()
    chosen = bool({"issuer", "host", "port"} & settings.model_fields_set)
    first = set_up_instance(settings, moving=chosen)  # a running server may have another issuer than the default
    if as_json:
        print_json({"first_start": first, "issuer": settings.issuer, "bootstrap_file": str(settings.bootstrap_file)})
    elif first:
        print_note(f"Set up. The first credentials are in {settings.bootstrap_file}")
    else:
        print_note("Already set up; the database is up to date.")
