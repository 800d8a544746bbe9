"""Locks: of rows, by number, and the queue of writers in front of SQLite, which allows one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from sqlalchemy import ColumnElement, Engine, Select, func, inspect, literal, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.database import engines
from app.database.types import Base

MAX_WAITING = engines.THREADS - 2  # writers that may wait for BUSY_TIMEOUT_MS: the other threads stay free for reads
CROWDED_TIMEOUT = 1.0  # seconds for which a further writer waits while no write ends
RowT = TypeVar("RowT")


def for_update(query: Select[RowT], table: type[Base]) -> Select[RowT]:
    """Return the query with a lock on the rows of this table until the transaction ends.

    Other rows may still refer to them meanwhile. SQLite locks the whole database anyway.
    """
    return query.with_for_update(of=table, key_share=True)


def keep_from_deletion(session: Session, *rows: ColumnElement[bool]) -> None:
    """Wait for a transaction that deletes one of these rows, and prevent their deletion until this one ends.

    The conditions name one row each, of different tables. A deletion locks a row and then what refers to it: a
    transaction that first locks something of the latter and then refers to the row would wait for it in a circle.
    """
    if session.get_bind().dialect.name == "postgresql":  # SQLite has one writer at a time
        for row in rows:
            session.execute(select(literal(1)).where(row).with_for_update(read=True, key_share=True))


def keep_owners(session: Session, table: type[Base], owners: Select[str]) -> None:
    """Do the same for the rows of a table with these ids, before what belongs to several of them is locked."""
    if session.get_bind().dialect.name == "postgresql":
        row_id = inspect(table).primary_key[0]
        kept = select(literal(1)).where(row_id.in_(owners)).order_by(row_id)
        session.execute(kept.with_for_update(read=True, key_share=True))


def advisory_lock(session: Session, lock: int) -> None:
    """Take the advisory lock of this number until the transaction ends; SQLite has one writer at a time anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(lock)))


def write_queue(engine: Engine) -> Callable[[], AbstractContextManager[object]]:
    """Return the context manager in which a transaction on this engine runs."""
    return WriteQueue() if engine.dialect.name == "sqlite" else nullcontext


class WriteQueue:
    """A lock that the writing threads of this process wait for, because SQLite's busy handler polls."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[None] = []  # one item per waiting thread: append and pop are atomic
        self._ended = 0  # writes that are over

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the lock during the block; raise OperationalError when it is not free in time."""
        longest = engines.BUSY_TIMEOUT_MS / 1000
        pause = longest if len(self._waiting) < MAX_WAITING else CROWDED_TIMEOUT
        self._waiting.append(None)
        try:
            acquired = self._acquire(pause, longest)
        finally:
            self._waiting.pop()
        if not acquired:
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
        try:
            yield
        finally:
            self._ended += 1
            self._lock.release()

    def _acquire(self, pause: float, longest: float) -> bool:
        """Wait for the lock; give up after `longest` seconds, and after a pause of so many in which no write ended.

        While writes end, threads become free for reads too, so a burst of writers can be served in full.
        """
        until = time.monotonic() + longest
        while (left := until - time.monotonic()) > 0:
            ended = self._ended
            if self._lock.acquire(timeout=min(pause, left)):
                return True
            if self._ended == ended:
                return False
        return False
