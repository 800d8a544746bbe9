"""The authority epoch, read at every use: whether cached rights are still valid."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy.exc import OperationalError

from app.database.store import Store
from app.database.worker_slots import PerWorkerSlot

_EPOCH = "SELECT epoch FROM authority"
_EPOCH_AND_SOURCE = """SELECT epoch, tableoid, pg_postmaster_start_time(),
(SELECT oid FROM pg_database WHERE datname = current_database()) FROM authority"""
_VERSION = "PRAGMA data_version"  # of SQLite: moves with every commit of any other connection
_LIFE = 2**64  # more than any epoch in a database


class AuthorityEpoch:
    """A number that changes whenever any process commits a change of rights."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: PerWorkerSlot[_Seen] = PerWorkerSlot()
        self._lives = count(1)
        self._life = 0  # moves with each new connection: a restored database may have the very number that another had
        self._read = self._from_server if store.dialect == "postgresql" else self._from_file

    def __call__(self) -> int:
        """Return the epoch of the last commit; raises OperationalError when it cannot be read."""
        try:
            return self._read()
        except Exception:  # a kept connection may have ended: try once more with a new one
            self._forget()
        try:
            return self._read()
        except Exception as error:
            self._forget()
            raise OperationalError(_EPOCH, None, error) from error  # like an error of SQLAlchemy's own query

    def _forget(self) -> None:
        self._seen = PerWorkerSlot()
        self._store.forget_connection()

    def _from_file(self) -> int:
        """Read the row only after another commit: SQLite has the version in shared memory."""
        self._store.refuse_changed()
        seen = self._seen.get() or self._first_look()
        if seen.disposals != self._store.disposals:
            self._renew_cursor(seen)
        version = seen.ask(_VERSION).fetchone()[0]
        if seen.version != version:
            seen.epoch = seen.ask(_EPOCH).fetchone()[0]  # after the version: a commit in between is noticed next time
            seen.version = version
        return seen.epoch + self._life

    def _renew_cursor(self, seen: _Seen) -> None:
        """Open a cursor: each connection counts the version for itself, so a thread keeps its own."""
        disposals = self._store.disposals  # read first: a disposal meanwhile is noticed at the next use
        seen.ask = self._new(seen, self._store.driver_connection()).cursor().execute
        seen.disposals, seen.version = disposals, -1

    def _from_server(self) -> int:
        driver, seen = self._store.driver_connection(), self._seen.get() or self._first_look()
        if driver is not seen.driver:
            self._new(seen, driver)
        if driver.pooled:
            return self._from_pooler(seen, driver)
        return int(driver.execute(_EPOCH, prepare=True).fetchone()[0]) + self._life

    def _first_look(self) -> _Seen:
        seen = _Seen()
        self._seen.set(seen)
        return seen

    def _from_pooler(self, seen: _Seen, driver: Any) -> int:
        """Read also which database answers: a pooler keeps our connection when the database is replaced."""
        epoch, *source = driver.execute(_EPOCH_AND_SOURCE).fetchone()
        if source != seen.source:
            self._new(seen, driver)
            seen.source = source
        return int(epoch) + self._life

    def _new(self, seen: _Seen, driver: Any) -> Any:
        seen.driver = driver
        self._life = next(self._lives) * _LIFE
        return driver


@dataclass(slots=True)
class _Seen:
    """What a worker read last, on its own connection, which counts versions for itself."""

    disposals: int = -1  # of the store, when the cursor was made
    driver: Any = None
    ask: Any = None  # `execute` of a cursor on the worker's connection
    version: int = -1
    epoch: int = -1
    source: Any = None  # the database behind a pooler
