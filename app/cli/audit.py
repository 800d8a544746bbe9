"""`latchkey audit`: who did what."""

from __future__ import annotations

from datetime import datetime

import click

from app.actions.audit import AuditFilter
from app.cli.options import Instant
from app.cli.output import json_option, show_all
from app.cli.session import PAGE, open_actions
from app.models import AuditEvent

COLUMNS = ("at", "actor", "actor_name", "action", "target", "address", "details")


@click.group()
def audit() -> None:
    """Audit events: list."""


@audit.command("list")
@click.option("--actor", help="Id of who did it.")
@click.option("--action", help="As in api_key.create.")
@click.option("--target", help="Id of what it was done to.")
@click.option("--since", type=Instant(), help="Not before this time.")
@click.option("--until", type=Instant(), help="Before this time.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many at most.")
@json_option
def list_(
    actor: str | None,
    action: str | None,
    target: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """List the events, newest first."""
    wanted = AuditFilter(actor=actor, action=action, target=target, since=since, until=until)
    show_all(as_json, [_fields(event) for event in _newest(wanted, limit)], COLUMNS)


def _newest(wanted: AuditFilter, limit: int) -> list[AuditEvent]:
    audit = open_actions().audit
    events, cursor = audit.page(wanted, min(limit, PAGE), None)
    while cursor is not None and len(events) < limit:
        more, cursor = audit.page(wanted, min(limit - len(events), PAGE), cursor)
        events += more
    return events


def _fields(event: AuditEvent) -> dict[str, object]:
    return {column.key: getattr(event, column.key) for column in AuditEvent.__mapper__.column_attrs}
