"""Engines: SQLite durable and strict, PostgreSQL with timeouts."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, create_engine, event

if TYPE_CHECKING:
    from app.database.postgresql import PinnedConnection  # loaded only where PostgreSQL is used

THREADS = 8  # that answer requests in one process
BUSY_TIMEOUT_MS = 15_000
MIN_FREE_SPACE = 64 * 1024  # bytes: what a small change takes in the database's log
READ_ONLY = "read-only"


def prepare_engine(engine: Engine) -> None:
    """Make SQLite durable, concurrent and strict, and limit every wait for a lock. Idempotent."""
    prepare = _set_pragmas if engine.dialect.name == "sqlite" else _set_lock_timeout
    if not event.contains(engine, "connect", prepare):
        event.listen(engine, "connect", prepare)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "begin", _begin_immediate)
        else:
            event.listen(engine, "begin", _limit_transaction)


def prepare_connections(engine: Engine) -> None:
    """Make an engine without a store connect as the engines of a store do."""
    if engine.dialect.name == "postgresql":
        from app.database import postgresql

        postgresql.prepare_connections(engine)


def limit_waits(writing: Engine, reading: Engine) -> None:
    """Limit how long these engines of one database wait for a server that does not answer."""
    if writing.dialect.name == "postgresql":
        from app.database import postgresql

        postgresql.limit_waits(writing, reading)


def reading_engine(engine: Engine) -> Engine:
    """Return an engine of the same database that commits each statement by itself."""
    options: dict[str, Any] = {"isolation_level": "AUTOCOMMIT", "pool_pre_ping": engine.dialect.name != "sqlite"}
    reading = create_engine(engine.url, pool_size=2 * THREADS, **options)  # a thread keeps one and may take another
    if engine.dialect.name == "sqlite":
        event.listen(reading, "connect", _set_pragmas)
    return reading


def write_obstacle(connection: Connection) -> str | None:
    """Return why the database can be read but not written, None when nothing is known to prevent writes.

    Nothing is written: a probe that commits would wait for locks, and cost a disk write each time.
    """
    if connection.dialect.name == "postgresql":
        only_reads = connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"  # also on a standby
        return READ_ONLY if only_reads else None
    path = connection.engine.url.database or ""
    folder = os.path.dirname(path) or "."
    if not os.path.exists(path):
        return None  # an unnamed database
    if not os.access(path, os.W_OK) or not os.access(folder, os.W_OK):
        return READ_ONLY
    disk = os.statvfs(folder)
    return None if disk.f_bavail * disk.f_frsize >= MIN_FREE_SPACE else "no room on its disk"


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # we send BEGIN ourselves; the driver's implicit BEGIN comes too late
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # an acknowledged revocation survives a power cut
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "cache_size=-256",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _set_lock_timeout(connection: PinnedConnection, _record: object) -> None:
    from app.database.postgresql import set_for_session

    if not connection.pooled:
        set_for_session(connection, "lock_timeout", BUSY_TIMEOUT_MS)


def _limit_transaction(connection: Connection) -> None:
    from app.database.postgresql import limit_transaction

    limit_transaction(connection, BUSY_TIMEOUT_MS)


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")  # take the write lock first: a later upgrade could not wait
