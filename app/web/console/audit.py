"""/console/audit: who did what, when, from where: searched, paged, and taken away as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response as Answer
from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.read import AuditFilter
from app.actions.limits.concurrency import ConcurrencyLimit
from app.errors import Invalid
from app.http.current import actions
from app.models import AuditEvent
from app.web.form import PAGE
from app.web.room import Room, said_by_field, show

FIELDS = ("actor", "action", "target", "since", "until")
MOST_EXPORTED = 10_000  # events of a file
HIGHEST_ID = 2**63 - 1
LONGEST = 200  # characters of what is looked for
LONGEST_MOMENT = 40  # characters of a time
exporting = ConcurrencyLimit(1, 1, 2.0)  # a file of MOST_EXPORTED events takes the better part of a second
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run
COLUMNS = ("id", "at", "actor_type", "actor", "actor_name", "action", "target_type", "target", "address")
ALL_COLUMNS = (*COLUMNS, "request_id", "details")

blueprint = Room("console_audit", "/console/audit", operators=True)


@dataclass(frozen=True, slots=True)
class _Excerpt:
    events: list[AuditEvent]
    cut: bool


@blueprint.get("")
def index() -> Response:
    """List the events, newest first."""
    try:
        wanted = _wanted()
        events, before = actions().audit.page(wanted, PAGE, _before())
    except Invalid as error:
        return _shown([], None, 422, said_by_field(error))
    return _shown(events, before)


@blueprint.get("/export.csv")
def as_csv() -> Response:
    """Give the events as a table for spreadsheets, in which no cell is a formula (RFC 4180)."""
    out = io.StringIO()
    table = csv.writer(out)
    with exporting():
        found = _excerpt()
        table.writerow(ALL_COLUMNS)
        table.writerows([_inert(cell) for cell in _row(event)] for event in found.events)
    if found.cut:
        table.writerow(["", "", "", "", "", _said(found)])
    return _file(out.getvalue(), "csv", "text/csv; charset=utf-8; header=present")


@blueprint.get("/export.json")
def as_json() -> Response:
    """Give the events as JSON; `cut` tells whether older ones were left out."""
    with exporting():
        found = _excerpt()
        events = [dict(zip(ALL_COLUMNS, _values(event), strict=True)) for event in found.events]
        text = json.dumps({"cut": _said(found) if found.cut else None, "events": events}, ensure_ascii=False, indent=1)
    return _file(text, "json", "application/json")


def _excerpt() -> _Excerpt:
    events, more = actions().audit.page(_wanted(), MOST_EXPORTED, None)
    return _Excerpt(events, more is not None)


def _said(found: _Excerpt) -> str:
    oldest = found.events[-1].at.isoformat()
    return f"cut: the newest {MOST_EXPORTED} events, back to {oldest}; narrow the filter for older ones"


def _wanted() -> AuditFilter:
    """Read what to look for; raises Invalid."""
    actor, action, target = (_exactly(name) for name in FIELDS[:3])
    return AuditFilter(actor, action, target, _moment("since"), _moment("until"))


def _exactly(name: str) -> str | None:
    given = request.args.get(name, "").strip()
    if len(given) > LONGEST or not given.isprintable():  # PostgreSQL would refuse a NUL
        raise Invalid.field(name, f"is one line of at most {LONGEST} characters")
    return given or None


def _moment(name: str) -> datetime | None:
    given = request.args.get(name, "").strip()
    if not given:
        return None
    try:
        if len(given) > LONGEST_MOMENT:
            raise ValueError(name)
        found = datetime.fromisoformat(given)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid.field(name, "is a time in UTC such as 2027-01-31T09:30") from None


def _before() -> int | None:
    given = request.args.get("before")
    if given is None:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 19 or int(given) > HIGHEST_ID:
        raise Invalid.field("", "that is no page of this list: begin anew")
    return int(given)


def _shown(
    events: list[AuditEvent], before: int | None, status: int = 200, errors: dict[str, str] | None = None
) -> Response:
    given: dict[str, Any] = {name: request.args[name][:LONGEST] for name in FIELDS if request.args.get(name)}
    older = url_for("console_audit.index", before=before, **given) if before else None
    shown: dict[str, Any] = {
        "events": events,
        "older": older,
        "given": given,
        "most": MOST_EXPORTED,
        "errors": errors or {},
    }
    return show("console/audit.html", status, **shown)


def _values(event: AuditEvent) -> tuple[Any, ...]:
    shown = (getattr(event, name) for name in COLUMNS[2:])
    return event.id, event.at.isoformat(), *shown, event.request_id, event.details


def _row(event: AuditEvent) -> Iterable[str]:
    *plain, details = _values(event)
    yield from ("" if value is None else str(value) for value in plain)
    yield json.dumps(details, ensure_ascii=False)


def _inert(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _file(text: str, suffix: str, content_type: str) -> Response:
    at = actions().clock().strftime("%Y%m%dT%H%M%SZ")
    response = Answer(text.encode("utf-8", "replace"), content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="latchkey-audit-{at}.{suffix}"'
    return response
