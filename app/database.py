"""The engines, the transactions and the column types that every table shares."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Connection, CursorResult, Dialect, Engine, MetaData, Select, create_engine, event
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
BUSY_TIMEOUT_MS = 15_000

NAMING_CONVENTION = {  # SQLite's batch migrations can only drop what has a name
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, kept as whole microseconds since 1970: alike on every database, and cheap to read."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Give the number that is stored."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Give the instant that was stored."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Base(DeclarativeBase):
    """What every table is declared on."""

    registry = registry(metadata=MetaData(naming_convention=NAMING_CONVENTION), type_annotation_map={datetime: Instant})


db = SQLAlchemy(model_class=Base)


def new_id(prefix: str) -> str:
    """Give a fresh opaque id that sorts by the time it was made: `prefix_` + milliseconds + 80 random bits."""
    return f"{prefix}_{time.time_ns() // 1_000_000:011x}{secrets.token_hex(10)}"


def insert_once(session: Session, table: type[Base], **values: object) -> bool:
    """Insert a row unless its key is there already; tells whether it was inserted. Safe against races."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    statement = postgresql_insert(table) if postgresql else sqlite_insert(table)
    inserted = session.execute(statement.values(**values).on_conflict_do_nothing())
    return bool(cast("CursorResult[Any]", inserted).rowcount)


class Prepared:
    """A select that is compiled once and then run on the driver: for the few that every request waits for.

    Whoever listens to the connection, and every failure of the driver, gets SQLAlchemy's own way instead.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        """Take a statement whose values are all named by bindparam(); none of them a list."""
        self._statement = statement
        self._plans: dict[str, _Plan] = {}

    def rows(self, connection: Connection, **values: object) -> Sequence[Any]:
        """Give all rows, as SQLAlchemy would."""
        if connection._has_events:
            return connection.execute(self._statement, values).all()
        plan = self._plans.get(connection.dialect.name) or self._prepare(connection.dialect)
        try:
            return plan.rows(connection.connection.driver_connection, values)
        except plan.failure:
            return connection.execute(self._statement, values).all()

    def _prepare(self, dialect: Dialect) -> _Plan:
        plan = self._plans[dialect.name] = _Plan(self._statement, dialect)
        return plan


class _Plan:
    """What SQLAlchemy makes of a statement, made once."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.failure: type[Exception] = cast(Any, dialect).loaded_dbapi.Error
        self._sql = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        self._fixed: dict[str, Any] = compiled.construct_params(_check=False)
        self._binds: dict[str, Any] = compiled._bind_processors
        self._options = {"prepare": True} if dialect.name == "postgresql" else {}
        columns = compiled._result_columns
        kinds = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._reads = [(number, read) for number, read in enumerate(kinds) if read]
        self._row: Any = namedtuple("_row", [column.keyname for column in columns])  # type: ignore[misc]

    def rows(self, driver: Any, values: Mapping[str, object]) -> list[Any]:
        given = {**self._fixed, **values}
        for name, write in self._binds.items():
            given[name] = write(given[name])
        sent: Any = given if self._order is None else [given[name] for name in self._order]
        return [self._read(row) for row in driver.execute(self._sql, sent, **self._options).fetchall()]

    def _read(self, row: Sequence[Any]) -> Any:
        read = list(row)
        for number, processor in self._reads:
            read[number] = processor(read[number])
        return self._row._make(read)


class Store:
    """The database as the actions see it: short write transactions, and a kept connection a thread for reads."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that writes; reads get an autocommitting engine of their own, so they never wait."""
        self.engine = engine
        self.dialect = engine.dialect.name
        self._readers = _reading_engine(engine)
        self._kept = threading.local()
        prepare_engine(engine)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for lists and single objects; it sees the last commit and can write nothing."""
        with Session(self._readers, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """This thread's kept connection, for the verify path: every statement sees the last commit."""
        kept = self._kept_connection()
        try:
            yield kept
        finally:
            kept.rollback()  # forgets a broken connection too, so that the next use makes a new one

    def driver_connection(self) -> Any:
        """This thread's kept connection as its driver knows it: for reads that cannot pay for more than the driver."""
        return self._kept_connection().connection.driver_connection

    def forget_connection(self) -> None:
        """Let this thread's next use begin with a new connection: the driver's raised."""
        kept: Connection | None = getattr(self._kept, "connection", None)
        self._kept.connection = None
        if kept is not None:
            kept.invalidate()
            kept.close()

    def _kept_connection(self) -> Connection:
        kept: Connection | None = getattr(self._kept, "connection", None)
        if kept is None or kept.closed:
            kept = self._kept.connection = self._readers.connect()
        return kept

    def dispose(self) -> None:
        """Close every pooled connection; the store can be used again afterwards."""
        self._kept = threading.local()
        self._readers.dispose()
        self.engine.dispose()


def prepare_engine(engine: Engine) -> None:
    """Make SQLite durable, concurrent and strict; other databases are so by themselves. Idempotent."""
    if engine.dialect.name == "sqlite" and not event.contains(engine, "connect", _sqlite_pragmas):
        event.listen(engine, "connect", _sqlite_pragmas)
        event.listen(engine, "begin", _begin_immediate)


def _reading_engine(engine: Engine) -> Engine:
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_pre_ping": engine.dialect.name != "sqlite"}
    reading = create_engine(engine.url, **options)
    if engine.dialect.name == "sqlite":
        event.listen(reading, "connect", _sqlite_pragmas)
    return reading


def _sqlite_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; the driver's own begins come too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an acknowledged revocation survives a power cut
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "cache_size=-512",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # take the write lock first: an upgrade later could not wait
