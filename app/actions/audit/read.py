"""Read audit events: by page, as stored in the chain, and as exported. Stored text is not trusted to be valid."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    NullPool,
    Text,
    create_engine,
    false,
    func,
    literal,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy import cast as as_type
from sqlalchemy.orm import Session

from app.actions.audit.chain import FIELDS
from app.database.engines import prepare_connections
from app.database.store import Store
from app.database.types import EPOCH, MICROSECOND, Instant
from app.errors import NotFound
from app.models import AuditEvent
from app.settings.strict_json import read_json

BATCH = 1000
COLUMNS = (*FIELDS, "previous_hash", "hash")
Row = dict[str, Any]  # COLUMNS; `at` is in microseconds since 1970


@dataclass(frozen=True, slots=True)
class Span:
    """A contiguous part of the chain: after the id `after`, from the first event at `since` to the last before `until`.

    The clocks of servers differ: every event between these two is included, whatever its own time.
    """

    after: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The events to look for; None matches any value. `since` is inclusive, `until` exclusive."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class ReadAudit:
    """List the events page by page, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, wanted: AuditFilter, limit: int, before_id: int | None) -> tuple[list[AuditEvent], int | None]:
        """Return at most `limit` events older than `before_id`, and the id to continue from (None at the end)."""
        newest_first = AuditEvent.at.desc(), AuditEvent.id.desc()
        query = select(AuditEvent).where(*_conditions(wanted)).order_by(*newest_first).limit(limit + 1)
        with self._store.reading() as session:
            if before_id is not None:
                query = query.where(_is_older_than(session, before_id))
            events = list(session.scalars(query))
        return events[:limit], events[limit - 1].id if len(events) > limit else None

    def get(self, event_id: int) -> AuditEvent:
        """Return one event. Raises NotFound."""
        with self._store.reading() as session:
            event = session.get(AuditEvent, event_id)
        if event is None:
            raise NotFound("there is no such event")
        return event


def _conditions(wanted: AuditFilter) -> Iterator[ColumnElement[bool]]:
    for column, value in (
        (AuditEvent.actor, wanted.actor),
        (AuditEvent.action, wanted.action),
        (AuditEvent.target, wanted.target),
    ):
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield AuditEvent.at >= wanted.since
    if wanted.until is not None:
        yield AuditEvent.at < wanted.until


def _is_older_than(session: Session, event_id: int) -> ColumnElement[bool]:
    """Return the condition of the events after this one in the list; where it is missing, after the one before it."""
    nearest = select(AuditEvent.at).where(AuditEvent.id <= event_id).order_by(AuditEvent.id.desc()).limit(1)
    at = session.scalar(nearest)
    return false() if at is None else tuple_(AuditEvent.at, AuditEvent.id) < tuple_(literal(at, Instant), event_id)


@contextmanager
def snapshot(store: Store) -> Iterator[Connection]:
    """Open a connection that sees the database as of one commit, whatever is written meanwhile."""
    sqlite = store.dialect == "sqlite"
    level = "AUTOCOMMIT" if sqlite else "REPEATABLE READ"
    engine = create_engine(store.engine.url, poolclass=NullPool, isolation_level=level)
    prepare_connections(engine)
    with engine.connect() as connection:
        if sqlite:
            cast(Any, connection.connection.driver_connection).text_factory = _decode_text
            connection.exec_driver_sql("BEGIN")  # AUTOCOMMIT leaves it to us
        yield connection


def _decode_text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")  # SQLite's driver would raise for text that is not UTF-8


def export(store: Store, span: Span) -> Iterator[str]:
    """Return the lines of an export, from one snapshot of the database."""
    with snapshot(store) as connection:
        for row in read_rows(connection, span):
            yield format_row(row)


def read_rows(connection: Connection, span: Span = Span(), *conditions: ColumnElement[bool]) -> Iterator[Row]:
    """Return the events of a span that meet the conditions, in the order of the chain."""
    own: dict[str, Any] = {"at": type_coerce(AuditEvent.at, BigInteger), "details": as_type(AuditEvent.details, Text)}
    query = select(*(own.get(name, getattr(AuditEvent, name)).label(name) for name in COLUMNS)).order_by(AuditEvent.id)
    query = query.where(*_span_conditions(span), *conditions)
    for row in connection.execute(query, execution_options={"yield_per": BATCH}):
        yield {**row._mapping, "details": _parse_details(row.details)}


def parse_export(lines: Iterable[str]) -> Iterator[Row]:
    """Return the events of an export; an invalid line becomes an event without a hash that names the line."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _parse_event(line) or dict.fromkeys(COLUMNS, "") | {"id": f"line {number}"}


def format_row(row: Row) -> str:
    """Return the line of an event in an export: a JSON object, `at` as RFC 3339 in UTC, to the microsecond."""
    return json.dumps(row | {"at": _format_time(row["at"])}, default=str)


def _span_conditions(span: Span) -> Iterator[ColumnElement[bool]]:
    if span.after is not None:
        yield AuditEvent.id > span.after
    if span.since is not None:
        yield AuditEvent.id >= select(func.min(AuditEvent.id)).where(AuditEvent.at >= span.since).scalar_subquery()
    if span.until is not None:
        yield AuditEvent.id <= select(func.max(AuditEvent.id)).where(AuditEvent.at < span.until).scalar_subquery()


def _parse_details(text: Any) -> Any:
    try:
        return read_json(text)
    except (TypeError, ValueError, RecursionError):
        return text  # not written by us: our details are always an object


def _parse_event(line: str) -> Row | None:
    try:
        row = read_json(line)
        moment = datetime.fromisoformat(row["at"])
        row["at"] = (moment - EPOCH) // MICROSECOND
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    valid = set(row) == set(COLUMNS) and type(row["id"]) is int and isinstance(row["hash"], str)
    return row if valid else None


def _format_time(microseconds: Any) -> Any:
    try:
        return (EPOCH + timedelta(microseconds=microseconds)).astimezone(UTC).isoformat(timespec="microseconds")
    except (TypeError, OverflowError):
        return microseconds
