"""Locks: of rows, by number, and the queue of writers in front of SQLite, which allows one writer at a time."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.database import engines
from app.database.types import Base

MAX_WAITING = engines.THREADS - 2  # writers that may wait for BUSY_TIMEOUT_MS: the other threads stay free for reads
CROWDED_TIMEOUT = 1.0  # seconds for which a further writer waits
RowT = TypeVar("RowT")


def for_update(query: Select[RowT], table: type[Base]) -> Select[RowT]:
    """Return the query with a lock on the rows of this table until the transaction ends.

    Other rows may still refer to them meanwhile. SQLite locks the whole database anyway.
    """
    return query.with_for_update(of=table, key_share=True)


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

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Hold the lock during the block; raise OperationalError when it is not free in time."""
        timeout = engines.BUSY_TIMEOUT_MS / 1000 if len(self._waiting) < MAX_WAITING else CROWDED_TIMEOUT
        self._waiting.append(None)
        try:
            acquired = self._lock.acquire(timeout=timeout)
        finally:
            self._waiting.pop()
        if not acquired:
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
        try:
            yield
        finally:
            self._lock.release()
