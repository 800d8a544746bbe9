"""The store: short write transactions, and a kept read connection for each seat."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from app.database.engines import prepare_engine, reading_engine, turns, watch_over
from app.database.seats import PerSeat
from app.database.statements import is_duplicate
from app.database.values import WritingSession
from app.errors import Conflict

OVERTAKEN = "something that this changes or refers to was deleted at the same moment"


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
