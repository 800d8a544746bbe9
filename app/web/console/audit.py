"""/console/audit: the audit events in words: filtered, paged, one by one as JSON, and exported as a file."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.event_types import GROUPS, TYPES
from app.actions.audit.read import AuditFilter
from app.compose import Actions
from app.errors import Invalid, LatchkeyError, NotFound
from app.models import AuditEvent
from app.models.names import UNSEEN
from app.web import form, lists, pages
from app.web.console.event_text import EventText
from app.web.csv_file import CSV_TYPE, MOST_EXPORTED, answer_file, exporting, write_csv
from app.web.page_routes import PageRoutes
from app.web.visitors import require_operator

PICKED = ("actor", "action", "target")  # ids and types, which links on the page name
FIELDS = (*PICKED, "since", "until")
HIGHEST_ID = 2**63 - 1
DAY = timedelta(days=1)
LAST_DAY = datetime.max.replace(tzinfo=UTC) - DAY
A_DAY = len("2027-01-31")  # as the field of a day sends it
COLUMNS = ("id", "at", "actor_type", "actor", "actor_name", "action", "target_type", "target", "address")
ALL_COLUMNS = (*COLUMNS, "request_id", "details")
CHAIN = ("previous_hash", "hash")

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
    given = _read_given()
    try:
        wanted, by = _read_filter(), lists.read_word("by")
        if by is not None:  # a name was typed: events hold the id
            given["actor"] = actions.event_names.actor_of(by)
            wanted = replace(wanted, actor=given["actor"])
        events, before = actions.audit.page(wanted, lists.PAGE, _read_before())
    except Invalid as error:
        return _render_events(actions, given, [], None, form.Refusal.of(error))
    return _render_events(actions, given, events, before)


@routes.get("/<row:event_id>")
def show(actions: Actions, event_id: str) -> Response:
    """Show one event, with all that is recorded of it as JSON."""
    event = actions.audit.get(_read_id(event_id, NotFound("there is no such event")))
    text = EventText(event, actions.event_names.of([event]))
    values = *_values(event), event.previous_hash, event.hash
    body = json.dumps(dict(zip((*ALL_COLUMNS, *CHAIN), values, strict=True)), ensure_ascii=False, indent=2)
    return pages.render("console/audit_event.html", event=event, text=text, body=_show_unseen(body))


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
    actor, action, target = (lists.read_word(name) for name in PICKED)
    return AuditFilter(actor, action, target, lists.read_time("since"), _read_until())


def _read_until() -> datetime | None:
    """Return the end of the last day, or the exact instant that a link names; raises Invalid."""
    until = lists.read_time("until")
    is_day = len(request.args.get("until", "").strip()) == A_DAY
    return until + DAY if until and is_day and until < LAST_DAY else until


def _read_before() -> int | None:
    digits = request.args.get("before")
    wrong = Invalid.field("", "that is not a page of this list: start again from the first page")
    return None if digits is None else _read_id(digits, wrong)


def _read_id(digits: str, wrong: LatchkeyError) -> int:
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 19 or int(digits) > HIGHEST_ID:
        raise wrong
    return int(digits)


def _read_given() -> dict[str, Any]:
    return {name: request.args[name][: lists.LONGEST_SEARCH] for name in FIELDS if request.args.get(name)}


def _render_events(
    actions: Actions,
    given: dict[str, Any],
    events: list[AuditEvent],
    before: int | None,
    refusal: form.Refusal | None = None,
) -> Response:
    names = actions.event_names.of(events)
    texts = [EventText(event, names) for event in events]
    return form.render(
        "console/audit.html",
        refusal,
        events=texts,
        actors=sorted({text.actor.text for text in texts if text.actor.is_name}),
        groups=GROUPS,
        known=TYPES,
        older=url_for(".index", before=before, **given) if before else None,
        given=given,
        most=MOST_EXPORTED,
    )


def _show_unseen(text: str) -> str:
    """Return a text in which what cannot be seen, or changes the direction of other text, is a JSON escape."""
    return "".join(c if c == "\n" or unicodedata.category(c) not in UNSEEN else json.dumps(c)[1:-1] for c in text)


def _values(event: AuditEvent) -> tuple[Any, ...]:
    values = (getattr(event, name) for name in COLUMNS[2:])
    return event.id, event.at.isoformat(), *values, event.request_id, event.details


def _cells(event: AuditEvent) -> Iterable[str]:
    *plain, details = _values(event)
    yield from ("" if value is None else str(value) for value in plain)
    yield json.dumps(details, ensure_ascii=False)
