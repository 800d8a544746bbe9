"""Audit events as they are stored and exported, read as they stand there: what somebody put there may be anything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import BigInteger, ColumnElement, Connection, NullPool, Text, create_engine, func, select, type_coerce
from sqlalchemy import cast as as_type

from app.actions.audit.chain import FIELDS
from app.database.engines import prepare_connections
from app.database.store import Store
from app.database.types import EPOCH, MICROSECOND
from app.models import AuditEvent
from app.strict_json import read_json

BATCH = 1000
COLUMNS = (*FIELDS, "previous_hash", "hash")
Row = dict[str, Any]  # COLUMNS; `at` is in microseconds since 1970


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the chain without a gap: behind the id `after`, from the first event since to the last one until.

    `since` is inclusive, `until` exclusive. Servers' clocks differ: what the chain has between these is in it, too.
    """

    after: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@contextmanager
def snapshot(store: Store) -> Iterator[Connection]:
    """Connect so as to see one commit only, however long it takes and whoever writes meanwhile."""
    sqlite = store.dialect == "sqlite"
    level = "AUTOCOMMIT" if sqlite else "REPEATABLE READ"
    engine = create_engine(store.engine.url, poolclass=NullPool, isolation_level=level)
    prepare_connections(engine)
    with engine.connect() as connection:
        if sqlite:
            cast(Any, connection.connection.driver_connection).text_factory = _any_text
            connection.exec_driver_sql("BEGIN")  # AUTOCOMMIT leaves it to us
        yield connection


def _any_text(kept: bytes) -> str:
    return kept.decode("utf-8", "surrogateescape")  # SQLite's driver would raise for what is no UTF-8


def export(store: Store, span: Span) -> Iterator[str]:
    """Give the lines of an export, on one snapshot of the database."""
    with snapshot(store) as connection:
        for row in stored(connection, span):
            yield line_of(row)


def stored(connection: Connection, span: Span = Span(), *such: ColumnElement[bool]) -> Iterator[Row]:
    """Return the events in the order of the chain, batch by batch; `such` are further conditions."""
    own: dict[str, Any] = {"at": type_coerce(AuditEvent.at, BigInteger), "details": as_type(AuditEvent.details, Text)}
    query = select(*(own.get(name, getattr(AuditEvent, name)).label(name) for name in COLUMNS)).order_by(AuditEvent.id)
    query = query.where(*_within(span), *such)
    for row in connection.execute(query, execution_options={"yield_per": BATCH}):
        yield {**row._mapping, "details": _details(row.details)}


def exported(lines: Iterable[str]) -> Iterator[Row]:
    """Give the events of an export; a line that is none becomes an event that names the line, and has no hash."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield _event(line) or dict.fromkeys(COLUMNS, "") | {"id": f"line {number}"}


def line_of(row: Row) -> str:
    """Write an event as a line of an export: a JSON object, `at` as RFC 3339 in UTC, to the microsecond."""
    return json.dumps(row | {"at": _moment(row["at"])}, default=str)


def _within(span: Span) -> Iterator[ColumnElement[bool]]:
    id, at = AuditEvent.id, AuditEvent.at
    if span.after is not None:
        yield id > span.after
    if span.since is not None:
        yield id >= select(func.min(id)).where(at >= span.since).scalar_subquery()
    if span.until is not None:
        yield id <= select(func.max(id)).where(at < span.until).scalar_subquery()


def _details(text: Any) -> Any:
    try:
        return read_json(text)
    except (TypeError, ValueError, RecursionError):
        return text  # somebody else wrote it: no event has details that are a text


def _event(line: str) -> Row | None:
    try:
        row = read_json(line)
        moment = datetime.fromisoformat(row["at"])
        row["at"] = (moment - EPOCH) // MICROSECOND
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    well = set(row) == set(COLUMNS) and type(row["id"]) is int and isinstance(row["hash"], str)
    return row if well else None


def _moment(microseconds: Any) -> Any:
    try:
        return (EPOCH + timedelta(microseconds=microseconds)).astimezone(UTC).isoformat(timespec="microseconds")
    except (TypeError, OverflowError):
        return microseconds
