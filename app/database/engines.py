"""How an engine is made ready: SQLite durable and strict, PostgreSQL asked with patience that ends."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from app.database.postgresql import PinnedConnection  # only who uses PostgreSQL loads it

THREADS = 8  # that answer requests in one process
BUSY_TIMEOUT_MS = 15_000
CROWD = THREADS - 2  # writers that may wait for so long: somebody must be left to answer those who only read
CROWDED_TIMEOUT = 1.0  # seconds for which the others wait
LEAST_ROOM = 64 * 1024  # bytes: what a small change takes in the database's log
READ_ONLY = "read-only"
LOOK_AGAIN = 1.0  # seconds after which a file is looked at again
Turn = Callable[[], AbstractContextManager[object]]


def prepare_engine(engine: Engine) -> None:
    """Make SQLite durable, concurrent and strict, and let nobody wait for a lock for ever. Idempotent."""
    prepare = _sqlite_pragmas if engine.dialect.name == "sqlite" else _lock_timeout
    if not event.contains(engine, "connect", prepare):
        event.listen(engine, "connect", prepare)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "begin", _begin_immediate)
        else:
            event.listen(engine, "begin", _limit_transaction)


def prepare_connections(engine: Engine) -> None:
    """Make an engine that no store owns connect as those of a store do."""
    if engine.dialect.name == "postgresql":
        from app.database import postgresql

        postgresql.prepare_connections(engine)


def reading_engine(engine: Engine) -> Engine:
    """Give an engine of the same database that commits each statement by itself."""
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_pre_ping": engine.dialect.name != "sqlite"}
    reading = create_engine(engine.url, pool_size=2 * THREADS, **options)  # a thread keeps one and may take another
    if engine.dialect.name == "sqlite":
        event.listen(reading, "connect", _sqlite_pragmas)
    return reading


def watch_over(*engines: Engine) -> Watch:
    """Let engines of one database wait for it no longer than it makes sense; gives what sees that it is the same."""
    if engines[0].dialect.name == "postgresql":
        from app.database.postgresql import be_patient

        be_patient(*engines)
    path = engines[0].url.database
    return FileWatch(path, engines) if engines[0].dialect.name == "sqlite" and path else Watch()


def turns(engine: Engine) -> Turn:
    """Give what a transaction takes before it begins."""
    return _Turn() if engine.dialect.name == "sqlite" else nullcontext


def write_obstacle(connection: Connection) -> str | None:
    """Return why the database takes no writes though it is read, None when nothing is known to hinder them.

    Nothing is written: a probe that commits would wait for locks, and cost a disk a write each time.
    """
    if connection.dialect.name == "postgresql":
        only_reads = connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"  # a standby's is, too
        return READ_ONLY if only_reads else None
    path = connection.engine.url.database or ""
    folder = os.path.dirname(path) or "."
    if not os.path.exists(path):
        return None  # not named by a path
    if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
        return READ_ONLY
    room = os.statvfs(folder)
    return None if room.f_bavail * room.f_frsize >= LEAST_ROOM else "no room on its disk"


class Watch:
    """Sees that the database is still the one that was opened; of a server, its connections tell."""

    def changed(self) -> bool:
        """Tell whether another stands in its place, or none; told once, for then that one is the database."""
        return False


class FileWatch(Watch):
    """Sees that a file was neither taken away nor replaced: SQLite would go on in the one that has no name any more."""

    def __init__(self, path: str, engines: tuple[Engine, ...]) -> None:
        """Take the path and the engines that open it; if the file disappears, no engine may create a new, empty one."""
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._due = 0.0
        for engine in engines:
            event.listen(engine, "do_connect", self._refuse_to_make)
            event.listen(engine, "connect", self._opened)

    def changed(self) -> bool:
        """Look once a second."""
        now = time.monotonic()
        if now < self._due:
            return False
        found, seen = self._identity(), self._seen
        if seen is None or found == seen:
            self._due = now + LOOK_AGAIN
            return False
        self._seen = found or seen  # while there is none, each call looks
        return True

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _opened(self, *_: object) -> None:
        self._seen = self._seen or self._identity()  # another one is for changed() to tell

    def _refuse_to_make(self, *_: object) -> None:
        if self._seen is not None and self._identity() is None:
            raise sqlite3.OperationalError("the database file is gone")


class _Turn:
    """SQLite lets one transaction write: threads queue here, for its own way to wait is to sleep and try again."""

    def __init__(self) -> None:
        self._one = threading.Lock()
        self._waiting: list[None] = []  # as many as wait: appending and popping are one step each

    @contextmanager
    def __call__(self) -> Iterator[None]:
        patience = BUSY_TIMEOUT_MS / 1000 if len(self._waiting) < CROWD else CROWDED_TIMEOUT
        self._waiting.append(None)
        try:
            taken = self._one.acquire(timeout=patience)
        finally:
            self._waiting.pop()
        if not taken:
            raise OperationalError("BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked"))
        try:
            yield
        finally:
            self._one.release()


def _sqlite_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves; the driver's own begins come too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an acknowledged revocation survives a power cut
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "cache_size=-256",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _lock_timeout(connection: PinnedConnection, _record: object) -> None:
    from app.database.postgresql import set_for_session

    if not connection.pooled:
        set_for_session(connection, "lock_timeout", BUSY_TIMEOUT_MS)


def _limit_transaction(connection: Connection) -> None:
    from app.database.postgresql import limit_transaction

    limit_transaction(connection, BUSY_TIMEOUT_MS)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # take the write lock first: an upgrade later could not wait
