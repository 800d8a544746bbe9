"""`latchkey init`: set up without serving."""

from __future__ import annotations

import click

from app.cli.output import json_option, say, show
from app.cli.start import make_ready
from app.settings.load import load_settings


@click.command()
@json_option
def init(as_json: bool) -> None:
    """Set up the database, the signing keys and the first credentials; what is there stays."""
    settings = load_settings()
    chosen = bool({"issuer", "host", "port"} & settings.model_fields_set)
    first = make_ready(settings, moving=chosen)  # a server beside us may run under another issuer than the default
    if as_json:
        show({"first_start": first, "issuer": settings.issuer, "bootstrap_file": str(settings.bootstrap_file)})
    elif first:
        say(f"Set up. The first credentials are in {settings.bootstrap_file}")
    else:
        say("All was set up already; what was out of date is not any more.")
