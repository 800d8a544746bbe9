"""The store: short write transactions, and one open read connection per worker slot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from app.database.engines import limit_waits, prepare_engine, reading_engine
from app.database.file_watch import watch_file
from app.database.locks import write_queue
from app.database.statements import is_duplicate
from app.database.values import WritingSession
from app.database.worker_slots import PerWorkerSlot
from app.errors import Conflict

DELETED_MEANWHILE = "something that this changes or refers to was deleted at the same moment"


class Store:
    """The database as the actions use it: short write transactions, and one open read connection per worker slot."""

    def __init__(self, engine: Engine) -> None:
        """Take the engine that writes; reads use an autocommitting engine of their own, so that they never wait."""
        self.engine = engine
        self.disposals = 0  # a connection opened before the last one must not be used any more
        self.dialect = engine.dialect.name
        self._readers = reading_engine(engine)
        self._kept: PerWorkerSlot[Connection] = PerWorkerSlot()
        self._write_queue = write_queue(engine)
        limit_waits(engine, self._readers)
        self._watch = watch_file(engine, self._readers)
        prepare_engine(engine)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction: committed when the block ends, rolled back when it raises.

        Raise Conflict when a concurrent transaction deleted what this one changes or refers to.
        """
        self.refuse_changed()
        writing = WritingSession(self.engine, expire_on_commit=False)
        with self._write_queue(), _conflicts(), writing as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a session for lists and single objects; it sees the last commit and cannot write."""
        self.refuse_changed()
        with Session(self._readers, autoflush=False, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Lend the open connection of this worker slot, for verification: every statement sees the last commit."""
        kept = self._usable_connection()
        try:
            yield kept
        finally:
            kept.rollback()  # discards a broken connection too, so that the next use opens a new one

    def driver_connection(self) -> Any:
        """Return the driver's own connection of this worker slot, for reads where SQLAlchemy costs too much."""
        return self._kept_connection().connection.driver_connection

    def forget_connection(self) -> None:
        """Replace the connection of this worker slot at its next use: its driver raised an error."""
        kept = self._kept.get()
        if kept is not None:
            kept.invalidate()  # not closed: a read of the epoch may still be using it
            kept.rollback()

    def refuse_changed(self) -> None:
        """Raise OperationalError when the database file was replaced; afterwards the new file is used."""
        if self._watch is not None and self._watch.is_replaced():
            self.dispose()
            raise OperationalError("", None, Exception("the database file was deleted or replaced"))

    def _usable_connection(self) -> Connection:
        """Return the open connection, reconnected when PostgreSQL ended it, so that a restart fails no later read."""
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
        self._kept = PerWorkerSlot()
        self._readers.dispose()
        self.engine.dispose()


@contextmanager
def _conflicts() -> Iterator[None]:
    try:
        yield
    except StaleDataError:
        raise Conflict(DELETED_MEANWHILE) from None
    except IntegrityError as error:
        if is_duplicate(error) or "foreign key" not in str(error.orig).lower():
            raise
        raise Conflict(DELETED_MEANWHILE) from None
