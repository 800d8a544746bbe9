"""Statements that differ between the databases, or that are compiled once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, SelectBase, delete, insert, inspect, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.compat.sqlalchemy import CompiledInsert
from app.database.types import Base
from app.database.values import refuse_secrets, refuse_unfit_values

UNIQUE_VIOLATION = "23505"  # an SQLSTATE
BATCH = 500  # values of a list in one statement
SWEPT = 500  # rows that one sweep deletes at most
RowT = TypeVar("RowT")


def insert_once(session: Session, table: type[Base], **values: object) -> bool:
    """Insert a row unless its key exists; return whether it was inserted. Safe against races."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    statement = postgresql_insert(table) if postgresql else sqlite_insert(table)
    key = inspect(table).primary_key
    inserted = session.execute(statement.values(**values).on_conflict_do_nothing().returning(*key))
    return inserted.first() is not None  # psycopg does not report the row count


def upsert_if(session: Session, table: type[Base], replaceable: ColumnElement[bool], **values: object) -> bool:
    """Insert a row, or replace one that is `replaceable`; return whether it was written. Safe against races."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    statement = postgresql_insert(table) if postgresql else sqlite_insert(table)
    key = inspect(table).primary_key
    others = {name: value for name, value in values.items() if name not in {column.name for column in key}}
    upsert = statement.values(**values).on_conflict_do_update(index_elements=[*key], set_=others, where=replaceable)
    return session.execute(upsert.returning(*key)).first() is not None


def insert_selected_once(session: Session, table: type[Base], names: Sequence[str], query: SelectBase) -> None:
    """Insert the rows that a query selects, but for those whose key exists. The query's last part has a condition."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    statement = postgresql_insert(table) if postgresql else sqlite_insert(table)
    session.connection().execute(statement.from_select(names, query).on_conflict_do_nothing())


def delete_expired(session: Session, table: type[Base], *expired: ColumnElement[bool]) -> None:
    """Delete some expired rows, skipping rows that another transaction has locked.

    Each call deletes a small batch, so that it is short; call it wherever a row is added to the table.
    """
    key = inspect(table).primary_key
    ended = select(*key).where(*expired).limit(SWEPT).with_for_update(skip_locked=True)
    once = ended.cte("ended")  # PostgreSQL may run a plain subquery for each row, beyond its limit
    swept = delete(cast(Any, table.__table__)).where(tuple_(*key).in_(select(once)))
    session.connection().execute(swept)  # past the unit of work: a third of what it costs there


def batches(items: Sequence[RowT]) -> Iterator[Sequence[RowT]]:
    """Return a list in pieces that fit into one statement: SQLite may bind at most 999 values."""
    for first in range(0, len(items), BATCH):
        yield items[first : first + BATCH]


def is_duplicate(error: IntegrityError) -> bool:
    """Return whether the error is a unique violation."""
    code = getattr(error.orig, "sqlstate", None)
    return code == UNIQUE_VIOLATION if code else "UNIQUE" in str(error.orig)


def add_row(session: Session, table: type[Base], **values: object) -> None:
    """Insert a row without making an object of it: an eighth of what the unit of work costs.

    Raise Invalid for a value that does not fit its column, and SQLAlchemy's errors for a violated constraint.
    """
    refuse_unfit_values(table, values)
    refuse_secrets(values)
    _compiled_insert(table, tuple(values)).run(session.connection(), values)


@cache
def _compiled_insert(table: type[Base], names: tuple[str, ...]) -> CompiledInsert:
    target = cast(Any, table.__table__)
    defaults = {c.key: c.default.arg for c in target.columns if c.default is not None and c.default.is_scalar}
    fixed = {name: value for name, value in defaults.items() if name not in names}
    return CompiledInsert(insert(target).inline(), *names, **fixed)
