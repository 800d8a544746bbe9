"""Connections to PostgreSQL: their encoding is pinned, a pooler in between is noticed, and every wait ends."""

from __future__ import annotations

import select
import time
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout, _WaitTimeout
from sqlalchemy import Connection, Engine, event, text

from app.settings.database_url import POOLER, PREPARE_THRESHOLD, read_threshold

CONNECTING = 2  # seconds until a connection stands: as few as libpq takes
READING = 5.0  # seconds until a statement that stands alone is answered
WRITING = 20.0  # seconds until one in a transaction is: longer than it may wait for a lock
PAUSE = 2.0  # seconds between two who ask a server that hung
WAIT_INTERVAL = 0.1
ENCODING = "UTF8"
LOOKS = 5  # at two connections, for whether they share sessions
_TIMEOUTS = text("SELECT set_config('lock_timeout', :locks, true), set_config('statement_timeout', :statements, true)")
RV = TypeVar("RV")
ConnectionT = TypeVar("ConnectionT", bound="PinnedConnection")


class PinnedConnection(psycopg.Connection[Any]):
    """A connection that speaks UTF-8; `pooled` when no state of its session outlives a transaction."""

    pooled = False
    hang: Hang | None = None  # given once it is connected

    def was_ended(self) -> bool:
        """Return whether it is closed, or the server sent something unasked: almost always that it ends it.

        This costs no round trip. May be called only between statements.
        """
        if self.closed:
            return True
        arrived = select.poll()
        arrived.register(self.fileno(), select.POLLIN)
        return bool(arrived.poll(0))


def open_connection(
    kind: type[ConnectionT], arguments: list[Any], options: dict[str, Any], hang: Hang | None = None
) -> ConnectionT:
    """Connect with the options of a database URL; raise OperationalError when the database does not keep UTF-8."""
    options = {"connect_timeout": CONNECTING} | options | {"client_encoding": ENCODING}
    pooler, threshold = options.pop(POOLER, "auto"), options.pop(PREPARE_THRESHOLD, None)
    made = kind.connect(*arguments, **options)
    if hang is not None:
        hang.end()
        made.hang = hang
    _refuse_encoding(made)
    if threshold is not None:
        made.prepare_threshold = read_threshold(threshold)
    made.pooled = pooler == "transaction" or (pooler == "auto" and has_pooler(made))
    if made.pooled:
        made.prepare_threshold = None  # a statement would be prepared in a session that the next one does not get
    return made


def _refuse_encoding(connection: psycopg.Connection[Any]) -> None:
    kept = connection.info.parameter_status("server_encoding")
    if kept != ENCODING:
        connection.close()
        raise psycopg.OperationalError(f"its encoding is {kept}: create it with ENCODING 'UTF8' TEMPLATE template0")


def has_pooler(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the server process that runs our statements is another than the one named at connect.

    Then there is a pooler: it announces a key of its own, because it can cancel a statement only by looking up who
    executes it.
    """
    return backend_pid(connection) != connection.info.backend_pid


def backend_pid(connection: psycopg.Connection[Any]) -> int:
    """Return the process id of the server's process that executes a statement now."""
    before, connection.autocommit = connection.autocommit, True
    [pid] = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or (0,)
    connection.autocommit = before
    return int(pid)


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


class Patient(PinnedConnection):
    """A connection that is given up when its server does not answer in time."""

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


def prepare_connections(engine: Engine) -> None:
    """Make an engine connect by `open_connection`, without a deadline."""
    event.listen(engine, "do_connect", lambda _dialect, _record, *given: open_connection(PinnedConnection, *given))


def be_patient(*engines: Engine) -> None:
    """Let these engines of one server make such connections, and know together when it hangs."""
    hang = Hang()

    def connect(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> Patient:
        if hang.until:
            hang.refuse()
        try:
            return open_connection(Patient, arguments, options, hang)
        except ConnectionTimeout:
            hang.begin()
            raise

    for engine in engines:
        event.listen(engine, "do_connect", connect)
        event.listen(engine, "connect", _end_statements)


def _end_statements(connection: Patient, _record: object) -> None:
    """Let the server too give up what nobody waits for any more."""
    if not connection.pooled:
        set_for_session(connection, "statement_timeout", int(WRITING * 1000))


def set_for_session(connection: psycopg.Connection[Any], name: str, milliseconds: int) -> None:
    """Set a timeout outside a transaction, with which it would end."""
    before, connection.autocommit = connection.autocommit, True
    connection.execute(f"SET {name} = {milliseconds}".encode())
    connection.autocommit = before


def limit_transaction(connection: Connection, lock_timeout: int) -> None:
    """Set, for one transaction, the timeouts that a session behind a pooler cannot keep."""
    if cast(Any, connection.connection.driver_connection).pooled:
        timeouts = {"locks": str(lock_timeout), "statements": str(int(WRITING * 1000))}
        connection.execute(_TIMEOUTS, timeouts)


def find_pooler(engine: Engine) -> str:
    """Return `none`, `transaction` or `session` for a pooler in between, and `unknown` when it cannot be asked.

    Two open connections that one process serves share sessions. Under load this may go unseen.
    """
    options = cast(dict[str, Any], engine.dialect.create_connect_args(engine.url)[1]) | {POOLER: "none"}
    try:
        with open_connection(Patient, [], options) as one:
            return _kind_of_pooler(one, options) if has_pooler(one) else "none"
    except psycopg.Error:
        return "unknown"


def _kind_of_pooler(one: Patient, options: dict[str, Any]) -> str:
    try:
        with open_connection(Patient, [], options) as other:
            seen = [(backend_pid(one), backend_pid(other)) for _ in range(LOOKS)]
    except psycopg.OperationalError:
        return "session"  # the first connection holds the only session that the pooler has
    ones, others = map(set, zip(*seen, strict=True))
    return "transaction" if len(ones) > 1 or ones & others else "session"
