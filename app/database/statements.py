"""Statements that SQLAlchemy spells differently on each database, or that are compiled once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, delete, insert, inspect, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.compat.sqlalchemy_statements import CompiledInsert
from app.database.types import Base
from app.database.values import refuse_secrets, refuse_unfit_values

UNIQUE_VIOLATION = "23505"  # an SQLSTATE
BATCH = 500  # values of a list in one statement
SWEPT = 500  # rows that one sweep deletes at the most
RowT = TypeVar("RowT")


def insert_once(session: Session, table: type[Base], **values: object) -> bool:
    """Insert a row unless its key is there already; tells whether it was inserted. Safe against races."""
    postgresql = session.get_bind().dialect.name == "postgresql"
    statement = postgresql_insert(table) if postgresql else sqlite_insert(table)
    key = inspect(table).primary_key
    inserted = session.execute(statement.values(**values).on_conflict_do_nothing().returning(*key))
    return inserted.first() is not None  # psycopg leaves the count of rows open


def delete_expired(session: Session, table: type[Base], *over: ColumnElement[bool]) -> None:
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


def is_duplicate(error: IntegrityError) -> bool:
    """Tell whether something that must be unique was there already."""
    code = getattr(error.orig, "sqlstate", None)
    return code == UNIQUE_VIOLATION if code else "UNIQUE" in str(error.orig)


def add_row(session: Session, table: type[Base], **values: object) -> None:
    """Insert a row that nobody needs as an object: an eighth of what the unit of work costs.

    Raises Invalid for what does not fit its column, and what SQLAlchemy raises for what may not be.
    """
    refuse_unfit_values(table, values)
    refuse_secrets(values)
    _adding(table, tuple(values)).run(session.connection(), values)


@cache
def _adding(table: type[Base], names: tuple[str, ...]) -> CompiledInsert:
    kept = cast(Any, table.__table__)
    usual = {c.key: c.default.arg for c in kept.columns if c.default is not None and c.default.is_scalar}
    fixed = {name: value for name, value in usual.items() if name not in names}
    return CompiledInsert(insert(kept).inline(), *names, **fixed)
