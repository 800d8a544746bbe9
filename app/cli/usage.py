"""`latchkey usage`: how often a credential was used and refused."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import get_args

import click

from app.actions.insight.usage import GroupBy
from app.cli.actions import list_all, open_actions
from app.cli.options import Instant
from app.cli.output import json_option, print_records

COLUMNS = ("group", "uses", "refusals", "last_used_at", "last_address", "last_server")


@click.command()
@click.argument("credential_id", metavar="ID")
@click.option("--since", type=Instant(), help="From the hour or day of this time; 30 days ago by default.")
@click.option("--until", type=Instant(), help="Before this time.")
@click.option(
    "--group-by",
    type=click.Choice(get_args(GroupBy)),
    default="day",
    show_default=True,
    help="What a line is of. Hours are kept for 35 days, days for 400.",
)
@json_option
def usage(credential_id: str, since: datetime | None, until: datetime | None, group_by: GroupBy, as_json: bool) -> None:
    """Count the uses and refusals of a token, key, client or grant."""
    page = partial(open_actions().read_usage.page, credential_id, since=since, until=until, group_by=group_by)
    print_records(as_json, list_all(page), COLUMNS)
