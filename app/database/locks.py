"""Locks of rows, and locks by number; SQLite allows one writer at a time and needs neither."""

from __future__ import annotations

from typing import TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from app.database.types import Base

RowT = TypeVar("RowT")


def for_update(query: Select[RowT], table: type[Base]) -> Select[RowT]:
    """Return the query with a lock on the rows of this table until the transaction ends.

    Rows may still be referred to meanwhile. SQLite locks the whole database anyway.
    """
    return query.with_for_update(of=table, key_share=True)


def advisory_lock(session: Session, lock: int) -> None:
    """Take the advisory lock of this number until the transaction ends; SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock)))
