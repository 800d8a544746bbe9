"""/console/audit: the audit events: filtered, paged, and exported as a file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.read import AuditFilter
from app.compose import Actions
from app.errors import Invalid
from app.models import AuditEvent
from app.web import form, lists
from app.web.csv_file import CSV_TYPE, MOST_EXPORTED, answer_file, exporting, write_csv
from app.web.page_routes import PageRoutes
from app.web.visitors import require_operator

FIELDS = ("actor", "action", "target", "since", "until")
HIGHEST_ID = 2**63 - 1
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
    with exporting():
        export = _export(actions)
        text = write_csv(ALL_COLUMNS, map(_cells, export.events), export.note if export.cut else None)
    return answer_file(text, "audit", actions.clock(), "csv", CSV_TYPE)


@routes.get("/export.json")
def export_json(actions: Actions) -> Response:
    """Return the events as JSON; `cut` says whether older ones were left out."""
    with exporting():
        export = _export(actions)
        events = [dict(zip(ALL_COLUMNS, _values(event), strict=True)) for event in export.events]
        body = {"cut": export.note if export.cut else None, "events": events}
        text = json.dumps(body, ensure_ascii=False, indent=1)
    return answer_file(text, "audit", actions.clock(), "json", "application/json")


def _export(actions: Actions) -> _Export:
    events, more = actions.audit.page(_read_filter(), MOST_EXPORTED, None)
    return _Export(events, more is not None)


def _read_filter() -> AuditFilter:
    """Read the filter in the query; raises Invalid."""
    actor, action, target = (lists.read_word(name) for name in FIELDS[:3])
    return AuditFilter(actor, action, target, lists.read_time("since"), lists.read_time("until"))


def _read_before() -> int | None:
    digits = request.args.get("before")
    if digits is None:
        return None
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 19 or int(digits) > HIGHEST_ID:
        raise Invalid.field("", "that is not a page of this list: start again from the first page")
    return int(digits)


def _render_events(events: list[AuditEvent], before: int | None, refusal: form.Refusal | None = None) -> Response:
    given: dict[str, Any] = {
        name: request.args[name][: lists.LONGEST_SEARCH] for name in FIELDS if request.args.get(name)
    }
    older = url_for(".index", before=before, **given) if before else None
    return form.render("console/audit.html", refusal, events=events, older=older, given=given, most=MOST_EXPORTED)


def _values(event: AuditEvent) -> tuple[Any, ...]:
    values = (getattr(event, name) for name in COLUMNS[2:])
    return event.id, event.at.isoformat(), *values, event.request_id, event.details


def _cells(event: AuditEvent) -> Iterable[str]:
    *plain, details = _values(event)
    yield from ("" if value is None else str(value) for value in plain)
    yield json.dumps(details, ensure_ascii=False)
