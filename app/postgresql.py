"""Connections to PostgreSQL whose waiting ends: a server that hangs, or a network that swallows, costs seconds."""

from __future__ import annotations

import time
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from sqlalchemy import Engine, event

CONNECTING = 2  # seconds until a connection stands: as few as libpq takes
READING = 5.0  # seconds until a statement that stands alone is answered
WRITING = 20.0  # seconds until one in a transaction is: longer than it may wait for a lock
PAUSE = 2.0  # seconds between two who ask a server that hung
WAIT_INTERVAL = 0.1
RV = TypeVar("RV")


class Hang:
    """Whether the server hangs, as far as is known: then one asks now and then, and all others are refused at once.

    Otherwise every thread would wait, and nobody be left to say so much as that the process lives.
    """

    def __init__(self) -> None:
        self.until = 0.0  # on the monotonic clock; 0: it answers

    def refuse(self) -> None:
        """Raise OperationalError but for the one whose turn it is to ask."""
        now = time.monotonic()
        if now < self.until:
            raise psycopg.OperationalError("the server did not answer a moment ago")
        self.until = now + PAUSE

    def begin(self) -> None:
        """Note that it did not answer."""
        self.until = time.monotonic() + PAUSE

    def end(self) -> None:
        """Note that it did."""
        self.until = 0.0


class Patient(psycopg.Connection[Any]):
    """A connection that is given up when its server does not answer in time."""

    hang: Hang | None = None  # given once it stands

    def wait(self, gen: PQGen[RV], interval: float = WAIT_INTERVAL, timeout: float | None = None) -> RV:
        """Wait for an answer, as psycopg does, but never for ever."""
        hang = self.hang
        if hang is not None and hang.until:
            hang.refuse()
        try:
            answer = super().wait(gen, interval, timeout or (READING if self._autocommit else WRITING))
        except _WaitTimeout:
            self.pgconn.finish()  # it is in the midst of something
            if hang is not None:
                hang.begin()
            raise psycopg.OperationalError("the server did not answer in time") from None
        if hang is not None and hang.until:
            hang.end()
        return answer


def be_patient(*engines: Engine) -> None:
    """Let these engines of one server make such connections, and know together when it hangs."""
    hang = Hang()

    def connect(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> Patient:
        if hang.until:
            hang.refuse()
        try:
            made = Patient.connect(*arguments, **{"connect_timeout": CONNECTING} | options)
        except ConnectionTimeout:
            hang.begin()
            raise
        hang.end()
        made.hang = hang
        return made

    for engine in engines:
        event.listen(engine, "do_connect", connect)
        event.listen(engine, "connect", _end_statements)


def _end_statements(connection: Patient, _record: object) -> None:
    """Let the server too give up what nobody waits for any more."""
    before, connection.autocommit = connection.autocommit, True
    connection.execute(f"SET statement_timeout = {int(WRITING * 1000)}".encode())
    connection.autocommit = before
