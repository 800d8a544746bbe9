"""/console/audit: the audit events: filtered, paged, and exported as a file."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from flask import Response as FlaskResponse
from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.read import AuditFilter
from app.actions.limits.concurrency import ConcurrencyLimit
from app.compose import Actions
from app.errors import Invalid
from app.models import AuditEvent
from app.web import form, lists
from app.web.page_routes import PageRoutes
from app.web.visitors import require_operator

FIELDS = ("actor", "action", "target", "since", "until")
MOST_EXPORTED = 10_000  # events of a file
HIGHEST_ID = 2**63 - 1
LONGEST = 200  # characters of a filter
LONGEST_TIME = 40  # characters
exporting = ConcurrencyLimit(1, 1, 2.0)  # a file of MOST_EXPORTED events takes the better part of a second
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # the first character of what a spreadsheet runs
COLUMNS = ("id", "at", "actor_type", "actor", "actor_name", "action", "target_type", "target", "address")
ALL_COLUMNS = (*COLUMNS, "request_id", "details")

routes = PageRoutes("console_audit", "/console/audit", guard=require_operator)


@dataclass(frozen=True, slots=True)
class _Export:
    events: list[AuditEvent]
    cut: bool

    @property
    def note(self) -> str:
        """Return where the file was cut."""
        oldest = self.events[-1].at.isoformat()
        return f"cut: the newest {MOST_EXPORTED} events, back to {oldest}; narrow the filter for older ones"


@routes.get("")
def index(actions: Actions) -> Response:
    """List the events, newest first."""
    try:
        events, before = actions.audit.page(_read_filter(), lists.PAGE, _read_before())
    except Invalid as error:
        return _render_events([], None, form.Refusal.of(error))
    return _render_events(events, before)


@routes.get("/export.csv")
def export_csv(actions: Actions) -> Response:
    """Return the events as CSV (RFC 4180), in which no cell is a formula."""
    out = io.StringIO()
    table = csv.writer(out)
    with exporting():
        export = _export(actions)
        table.writerow(ALL_COLUMNS)
        table.writerows([_escape_formula(cell) for cell in _cells(event)] for event in export.events)
    if export.cut:
        table.writerow(["", "", "", "", "", export.note])
    return _file(actions, out.getvalue(), "csv", "text/csv; charset=utf-8; header=present")


@routes.get("/export.json")
def export_json(actions: Actions) -> Response:
    """Return the events as JSON; `cut` says whether older ones were left out."""
    with exporting():
        export = _export(actions)
        events = [dict(zip(ALL_COLUMNS, _values(event), strict=True)) for event in export.events]
        body = {"cut": export.note if export.cut else None, "events": events}
        text = json.dumps(body, ensure_ascii=False, indent=1)
    return _file(actions, text, "json", "application/json")


def _export(actions: Actions) -> _Export:
    events, more = actions.audit.page(_read_filter(), MOST_EXPORTED, None)
    return _Export(events, more is not None)


def _read_filter() -> AuditFilter:
    """Read the filter in the query; raises Invalid."""
    actor, action, target = (_read_word(name) for name in FIELDS[:3])
    return AuditFilter(actor, action, target, _read_time("since"), _read_time("until"))


def _read_word(name: str) -> str | None:
    word = request.args.get(name, "").strip()
    if len(word) > LONGEST or not word.isprintable():  # PostgreSQL refuses NUL
        raise Invalid.field(name, f"must be one line of at most {LONGEST} characters")
    return word or None


def _read_time(name: str) -> datetime | None:
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        if len(text) > LONGEST_TIME:
            raise ValueError(name)
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid.field(name, "must be a time in UTC such as 2027-01-31T09:30") from None


def _read_before() -> int | None:
    digits = request.args.get("before")
    if digits is None:
        return None
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 19 or int(digits) > HIGHEST_ID:
        raise Invalid.field("", "that is not a page of this list: start again from the first page")
    return int(digits)


def _render_events(events: list[AuditEvent], before: int | None, refusal: form.Refusal | None = None) -> Response:
    given: dict[str, Any] = {name: request.args[name][:LONGEST] for name in FIELDS if request.args.get(name)}
    older = url_for(".index", before=before, **given) if before else None
    return form.render("console/audit.html", refusal, events=events, older=older, given=given, most=MOST_EXPORTED)


def _values(event: AuditEvent) -> tuple[Any, ...]:
    values = (getattr(event, name) for name in COLUMNS[2:])
    return event.id, event.at.isoformat(), *values, event.request_id, event.details


def _cells(event: AuditEvent) -> Iterable[str]:
    *plain, details = _values(event)
    yield from ("" if value is None else str(value) for value in plain)
    yield json.dumps(details, ensure_ascii=False)


def _escape_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _file(actions: Actions, text: str, suffix: str, content_type: str) -> Response:
    at = actions.clock().strftime("%Y%m%dT%H%M%SZ")
    response = FlaskResponse(text.encode("utf-8", "replace"), content_type=content_type)
    response.headers["Content-Disposition"] = f'attachment; filename="latchkey-audit-{at}.{suffix}"'
    return response
