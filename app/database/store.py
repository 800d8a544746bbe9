"""The engines, the transactions and the column types that every table shares."""

from __future__ import annotations

import secrets
import time
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar, cast

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Dialect,
    Engine,
    Insert,
    MetaData,
    Select,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.types import TypeDecorator

from app.database.engines import prepare_engine, reading_engine, turns, watch_over
from app.database.seats import PerSeat
from app.database.secret_text import holds_secret
from app.errors import Conflict, Invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
UNIQUE_VIOLATION = "23505"  # an SQLSTATE
BATCH = 500  # values of a list in one statement
SWEPT = 500  # rows that one sweep takes away at the most
REFUSED_TEXT = "holds a secret of this server, which others could read: choose another text, and revoke that secret"
OVERTAKEN = "something that this changes or refers to was deleted at the same moment"

NAMING_CONVENTION = {  # SQLite's batch migrations can only drop what has a name
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
RowT = TypeVar("RowT")


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
    key = inspect(table).primary_key
    inserted = session.execute(statement.values(**values).on_conflict_do_nothing().returning(*key))
    return inserted.first() is not None  # psycopg leaves the count of rows open


def forget(session: Session, table: type[Base], *over: ColumnElement[bool]) -> None:
    """Delete some of the rows that time has overtaken, but for those that another transaction is at.

    Nobody waits for a sweep: each takes a small batch, and whatever adds a row to the table sweeps.
    """
    key = inspect(table).primary_key
    ended = select(*key).where(*over).limit(SWEPT).with_for_update(skip_locked=True)
    swept = delete(table).where(tuple_(*key).in_(ended))
    session.execute(swept, execution_options={"synchronize_session": False})


def batches(items: Sequence[RowT]) -> Iterator[Sequence[RowT]]:
    """Return a list in pieces that one statement takes: SQLite may bind no more than 999 values."""
    for first in range(0, len(items), BATCH):
        yield items[first : first + BATCH]


def held(query: Select[RowT], table: type[Base]) -> Select[RowT]:
    """Let the query wait for who changes these rows now, and hold them until its transaction ends.

    What else refers to them goes on. SQLite holds everything anyway.
    """
    return query.with_for_update(of=table, key_share=True)


def alone(session: Session, lock: int) -> None:
    """Let no other transaction that names this lock go on until this one ends; SQLite lets none go on anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock)))


def is_duplicate(error: IntegrityError) -> bool:
    """Tell whether something that must be unique was there already."""
    code = getattr(error.orig, "sqlstate", None)
    return code == UNIQUE_VIOLATION if code else "UNIQUE" in str(error.orig)


def add_row(session: Session, table: type[Base], **values: object) -> None:
    """Insert a row that nobody needs as an object: an eighth of what the unit of work costs.

    Raises Invalid for what does not fit its column, and what SQLAlchemy raises for what may not be.
    """
    refuse_unfit_values(table, values)
    _refuse_secrets(values)
    _adding(table, tuple(values)).run(session.connection(), values)


@cache
def _adding(table: type[Base], names: tuple[str, ...]) -> Change:
    kept = cast(Any, table.__table__)
    usual = {c.key: c.default.arg for c in kept.columns if c.default is not None and c.default.is_scalar}
    fixed = {name: value for name, value in usual.items() if name not in names}
    return Change(insert(kept).inline(), *names, **fixed)


class WritingSession(Session):
    """A session that refuses what does not fit its column: SQLite would keep it, PostgreSQL would fail on it."""


@event.listens_for(WritingSession, "before_flush")
def _refuse_unfit(session: Session, _context: object, _instances: object) -> None:
    for row in (*session.new, *session.dirty):
        state = inspect(row)
        refuse_unfit_values(state.mapper.class_, vars(row))  # what is not loaded has not changed
        changed = state.mapper.column_attrs.keys() if row in session.new else state.committed_state
        _refuse_secrets({name: vars(row)[name] for name in changed if name in vars(row)})


def _refuse_secrets(values: Mapping[str, object]) -> None:
    """Raise Invalid for a text that holds a secret of ours: somebody took the wrong field, and others read it."""
    for name, value in values.items():
        if holds_secret(value):
            raise Invalid.field(name, REFUSED_TEXT)


def refuse_unfit_values(table: type[Base], values: Mapping[str, object]) -> None:
    """Raise Invalid for what does not fit its column of this table."""
    for name, longest, most in _bounds(table):
        _refuse_unfitting(name, values.get(name), longest, most)


@cache
def _bounds(table: type[Base]) -> tuple[tuple[str, int, int], ...]:
    """Give each column's name, its longest text and its greatest number."""
    columns = [(attribute.key, attribute.columns[0].type) for attribute in inspect(table).column_attrs]
    return tuple(
        (name, getattr(kind, "length", None) or 2**31, 2**63 - 1 if isinstance(kind, BigInteger) else 2**31 - 1)
        for name, kind in columns
    )


def _refuse_unfitting(name: str, value: object, longest: int, most: int) -> None:
    if isinstance(value, str):
        if len(value) > longest:
            raise Invalid.field(name, f"is at most {longest} characters long")
        if "\0" in value:
            raise Invalid.field(name, "holds characters that cannot be kept")
    elif isinstance(value, int) and abs(value) > most:
        raise Invalid.field(name, f"is at most {most}")


class Prepared:
    """A select that is compiled once and then run on the driver: for the few that every request waits for.

    Whoever listens to the connection, and every failure of the driver, gets SQLAlchemy's own way instead.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]]) -> None:
        """Take a statement whose values are all named by bindparam(); none of them a list."""
        self.statement = statement
        self._plans: dict[str, _Plan] = {}

    def rows(self, connection: Connection, **values: object) -> Sequence[Any]:
        """Give all rows, as SQLAlchemy would."""
        if connection._has_events:
            return connection.execute(self.statement, values).all()
        plan = self._plans.get(connection.dialect.name) or self._prepare(connection.dialect)
        try:
            return plan.rows(connection.connection.driver_connection, values)
        except plan.failure:
            return connection.execute(self.statement, values).all()

    def _prepare(self, dialect: Dialect) -> _Plan:
        plan = self._plans[dialect.name] = _Plan(self.statement, dialect)
        return plan


class Change:
    """An insert that is compiled once and then run as text: a quarter of what it costs otherwise."""

    def __init__(self, statement: Insert, *names: str, **fixed: object) -> None:
        """Take a statement, the names of the values that it will be given, and values that are always the same."""
        self._statement = statement
        self._names = names
        self._fixed = fixed
        self._compiled: dict[str, _Compiled] = {}

    def run(self, connection: Connection, *rows: Mapping[str, object]) -> int:
        """Run it for each of these values; gives how many rows it changed, raises what SQLAlchemy raises."""
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        sent = [compiled.sent(row) for row in rows]
        return connection.exec_driver_sql(compiled.sql, sent[0] if len(sent) == 1 else sent).rowcount

    def _compile(self, dialect: Dialect) -> _Compiled:
        compiled = self._statement.compile(dialect=dialect, column_keys=[*self._names, *self._fixed])
        return self._compiled.setdefault(dialect.name, _Compiled(compiled, self._fixed))


class _Compiled:
    """The text that SQLAlchemy makes of a statement, made once, and the values as the driver wants them."""

    def __init__(self, compiled: Any, fixed: Mapping[str, object]) -> None:
        self.sql = str(compiled)
        self._order: list[str] | None = compiled.positiontup
        self._fixed: dict[str, Any] = {**compiled.construct_params(_check=False), **fixed}
        self._binds: dict[str, Any] = compiled._bind_processors

    def sent(self, values: Mapping[str, object]) -> Any:
        """Give the values in the driver's form and order."""
        given = {**self._fixed, **values}
        for name, write in self._binds.items():
            given[name] = write(given[name])
        return given if self._order is None else tuple([given[name] for name in self._order])


class _Plan:
    """How a select is run on the driver, and its rows read."""

    def __init__(self, statement: Select[*tuple[Any, ...]], dialect: Dialect) -> None:
        compiled: Any = statement.compile(dialect=dialect)
        self.failure: type[Exception] = cast(Any, dialect).loaded_dbapi.Error
        self._compiled = _Compiled(compiled, {})
        self._options = {"prepare": True} if dialect.name == "postgresql" else {}
        columns = compiled._result_columns
        kinds = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._reads = [(number, read) for number, read in enumerate(kinds) if read]
        self._row: Any = namedtuple("_row", [column.keyname for column in columns])  # type: ignore[misc]

    def rows(self, driver: Any, values: Mapping[str, object]) -> list[Any]:
        found = driver.execute(self._compiled.sql, self._compiled.sent(values), **self._options)
        return [self._read(row) for row in found.fetchall()]

    def _read(self, row: Sequence[Any]) -> Any:
        read = list(row)
        for number, processor in self._reads:
            read[number] = processor(read[number])
        return self._row._make(read)


class Store:
    """The database as the actions see it: short write transactions, and a kept connection for each seat to read by."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that writes; reads get an autocommitting engine of their own, so they never wait."""
        self.engine = engine
        self.disposals = 0  # whoever keeps a connection of before lets go of it
        self.dialect = engine.dialect.name
        self._readers = reading_engine(engine)
        self._kept: PerSeat[Connection] = PerSeat()
        self._turn = turns(engine)
        self._watch = watch_over(engine, self._readers)
        prepare_engine(engine)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises Conflict when another took away, at the same moment, what this one changes or refers to.
        """
        self.refuse_changed()
        writing = WritingSession(self.engine, expire_on_commit=False)
        with self._turn(), _overtaken(), writing as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for lists and single objects; it sees the last commit and can write nothing."""
        self.refuse_changed()
        with Session(self._readers, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """The kept connection of this seat, for the verify path: every statement sees the last commit."""
        kept = self._usable_connection()
        try:
            yield kept
        finally:
            kept.rollback()  # forgets a broken connection too, so that the next use makes a new one

    def driver_connection(self) -> Any:
        """The kept connection of this seat as its driver knows it: for reads that must cost no more."""
        return self._kept_connection().connection.driver_connection

    def forget_connection(self) -> None:
        """Replace the connection of this seat at its next use: its driver raised an error."""
        kept = self._kept.get()
        if kept is not None:
            kept.invalidate()  # and not closed: who reads the epoch may be in the midst of using it
            kept.rollback()

    def refuse_changed(self) -> None:
        """Raise OperationalError when the database is not the one that was opened; from then on it is the new one."""
        if self._watch.changed():
            self.dispose()
            raise OperationalError("", None, Exception("the database file was taken away or replaced"))

    def _usable_connection(self) -> Connection:
        """Return the kept connection, connected again where PostgreSQL ended it: a restart fails no later read."""
        kept = self._kept_connection()
        if self.dialect == "postgresql" and cast(Any, kept.connection.driver_connection).was_ended():
            self.forget_connection()
        return kept

    def _kept_connection(self) -> Connection:
        self.refuse_changed()
        kept = self._kept.get()
        if kept is None or kept.closed:
            kept = self._readers.connect()
            self._kept.set(kept)
        return kept

    def dispose(self) -> None:
        """Close every pooled connection; the store can be used again afterwards."""
        self.disposals += 1
        self._kept = PerSeat()
        self._readers.dispose()
        self.engine.dispose()


@contextmanager
def _overtaken() -> Iterator[None]:
    try:
        yield
    except StaleDataError:
        raise Conflict(OVERTAKEN) from None
    except IntegrityError as error:
        if is_duplicate(error) or "foreign key" not in str(error.orig).lower():
            raise
        raise Conflict(OVERTAKEN) from None
