"""PostgreSQL connections: UTF-8 only, poolers detected, with connect, statement and read timeouts."""

from __future__ import annotations

import select
import time
from functools import partial
from typing import Any, TypeVar, cast

import psycopg
from psycopg.abc import PQGen
from psycopg.errors import ConnectionTimeout
from sqlalchemy import Connection, Engine, event, text

from app.compat.psycopg import WaitTimeout
from app.settings.database_url import POOLER, PREPARE_THRESHOLD, read_threshold

CONNECT_TIMEOUT = 2  # seconds: the least that libpq accepts
READ_TIMEOUT = 5.0  # seconds for a statement outside a transaction
WRITE_TIMEOUT = 20.0  # seconds for a statement in a transaction: longer than it may wait for a lock
OWN_SHARE = 0.9  # of these, after which the server itself gives up a statement: it answers then, so it does not hang
RETRY_AFTER = 2.0  # seconds between two attempts at a server that did not answer
WAIT_INTERVAL = 0.1
ENCODING = "UTF8"
POOLER_CHECKS = 5  # comparisons of two connections, to see whether they share sessions
_TIMEOUTS = text("SELECT set_config('lock_timeout', :locks, true), set_config('statement_timeout', :statements, true)")
RV = TypeVar("RV")
ConnectionT = TypeVar("ConnectionT", bound="PinnedConnection")


class PinnedConnection(psycopg.Connection[Any]):
    """A connection in UTF-8; `pooled` when no session state outlives a transaction."""

    pooled = False
    breaker: CircuitBreaker | None = None  # set once it is connected

    def was_ended(self) -> bool:
        """Return whether it is closed, or the server sent something unrequested: almost always that it ends it.

        This costs no round trip. May be called only between statements.
        """
        if self.closed:
            return True
        arrived = select.poll()
        arrived.register(self.fileno(), select.POLLIN)
        return bool(arrived.poll(0))


def open_connection(
    kind: type[ConnectionT], arguments: list[Any], options: dict[str, Any], breaker: CircuitBreaker | None = None
) -> ConnectionT:
    """Connect with the options of a database URL; raise OperationalError when the database's encoding is not UTF-8."""
    options = {"connect_timeout": CONNECT_TIMEOUT} | options | {"client_encoding": ENCODING}
    pooler, threshold = options.pop(POOLER, "auto"), options.pop(PREPARE_THRESHOLD, None)
    opened = kind.connect(*arguments, **options)
    if breaker is not None:
        breaker.close()
        opened.breaker = breaker
    _check_encoding(opened)
    if threshold is not None:
        opened.prepare_threshold = read_threshold(threshold)
    opened.pooled = pooler == "transaction" or (pooler == "auto" and has_pooler(opened))
    if opened.pooled:
        opened.prepare_threshold = None  # the session of a prepared statement is not the next transaction's
    return opened


def _check_encoding(connection: psycopg.Connection[Any]) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != ENCODING:
        connection.close()
        raise psycopg.OperationalError(f"its encoding is {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0")


def has_pooler(connection: psycopg.Connection[Any]) -> bool:
    """Return whether another server process runs our statements than the one named at connect.

    Then there is a pooler: it announces a key of its own, because it cancels a statement by looking up who executes it.
    """
    return backend_pid(connection) != connection.info.backend_pid


def backend_pid(connection: psycopg.Connection[Any]) -> int:
    """Return the id of the server process that executes a statement now."""
    before, connection.autocommit = connection.autocommit, True
    [pid] = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone() or (0,)
    connection.autocommit = before
    return int(pid)


class CircuitBreaker:
    """Whether the server hangs: while it is open, one thread tries now and then, and all others fail at once.

    Otherwise every thread would wait, and none would be left to answer even the liveness check.
    """

    def __init__(self) -> None:
        self.open_until = 0.0  # on the monotonic clock; 0: closed, the server answers

    def check(self) -> None:
        """Raise OperationalError, except for the one thread that may try again."""
        now = time.monotonic()
        if now < self.open_until:
            raise psycopg.OperationalError("the server did not answer a moment ago")
        self.open_until = now + RETRY_AFTER

    def open(self) -> None:
        """Record that the server did not answer."""
        self.open_until = time.monotonic() + RETRY_AFTER

    def close(self) -> None:
        """Record that the server answered."""
        self.open_until = 0.0


class TimedConnection(PinnedConnection):
    """A connection that is given up when its server does not answer in time."""

    def wait(self, gen: PQGen[RV], interval: float = WAIT_INTERVAL, timeout: float | None = None) -> RV:
        """Limit the wait for an answer, which psycopg does not."""
        breaker = self.breaker
        if breaker is not None and breaker.open_until:
            breaker.check()
        try:
            answer = super().wait(gen, interval, timeout or (READ_TIMEOUT if self.autocommit else WRITE_TIMEOUT))
        except WaitTimeout:
            self.pgconn.finish()  # a statement is still being executed on it
            if breaker is not None:
                breaker.open()
            raise psycopg.OperationalError("the server did not answer in time") from None
        if breaker is not None and breaker.open_until:
            breaker.close()
        return answer


def prepare_connections(engine: Engine) -> None:
    """Make an engine connect by `open_connection`, without a deadline."""
    event.listen(engine, "do_connect", lambda _dialect, _record, *given: open_connection(PinnedConnection, *given))


def limit_waits(writing: Engine, reading: Engine) -> None:
    """Set timeouts for the connections of these engines, and one circuit breaker for their server."""
    breaker = CircuitBreaker()

    def connect(_dialect: object, _record: object, arguments: list[Any], options: dict[str, Any]) -> TimedConnection:
        if breaker.open_until:
            breaker.check()
        try:
            return open_connection(TimedConnection, arguments, options, breaker)
        except ConnectionTimeout:
            breaker.open()
            raise

    for engine, seconds in ((writing, WRITE_TIMEOUT), (reading, READ_TIMEOUT)):
        event.listen(engine, "do_connect", connect)
        event.listen(engine, "connect", partial(_set_statement_timeout, _own_timeout(seconds)))


def _own_timeout(seconds: float) -> int:
    """Return after how many milliseconds the server gives up a statement whose answer is awaited for so long."""
    return int(seconds * OWN_SHARE * 1000)


def _set_statement_timeout(milliseconds: int, connection: TimedConnection, _record: object) -> None:
    """Make the server give up a slow statement, before a client takes it for one that hangs."""
    if not connection.pooled:
        set_for_session(connection, "statement_timeout", milliseconds)


def set_for_session(connection: psycopg.Connection[Any], name: str, milliseconds: int) -> None:
    """Set a timeout outside a transaction, because a rollback would undo it."""
    before, connection.autocommit = connection.autocommit, True
    connection.execute(f"SET {name} = {milliseconds}".encode())
    connection.autocommit = before


def limit_transaction(connection: Connection, lock_timeout: int) -> None:
    """Set, for one transaction, the timeouts that a session behind a pooler cannot keep."""
    if cast(Any, connection.connection.driver_connection).pooled:
        timeouts = {"locks": str(lock_timeout), "statements": str(int(WRITE_TIMEOUT * 1000))}
        connection.execute(_TIMEOUTS, timeouts)


def find_pooler(engine: Engine) -> str:
    """Return `none`, `transaction` or `session` for a pooler in between, and `unknown` when it cannot be determined.

    Two open connections that one process serves share sessions. Under load this may go undetected.
    """
    options = cast(dict[str, Any], engine.dialect.create_connect_args(engine.url)[1]) | {POOLER: "none"}
    try:
        with open_connection(TimedConnection, [], options) as first:
            return _pooler_kind(first, options) if has_pooler(first) else "none"
    except psycopg.Error:
        return "unknown"


def _pooler_kind(first: TimedConnection, options: dict[str, Any]) -> str:
    try:
        with open_connection(TimedConnection, [], options) as second:
            seen = [(backend_pid(first), backend_pid(second)) for _ in range(POOLER_CHECKS)]
    except psycopg.OperationalError:
        return "session"  # the first connection holds the pooler's only session
    of_first, of_second = map(set, zip(*seen, strict=True))
    return "transaction" if len(of_first) > 1 or of_first & of_second else "session"
