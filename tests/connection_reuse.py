"""Connections to copied PostgreSQL databases that outlive a test: a new server process costs 30 ms of CPU.

The next test gets a new psycopg connection on the same server process, after DISCARD ALL.
"""

import os
from collections import defaultdict
from functools import partial
from typing import Any

from psycopg import pq
from psycopg.adapt import AdaptersMap

from app.database.postgresql import PinnedConnection
from tests.cluster import OWNER

Key = tuple[int, str]  # the process and the database's name
_unused: dict[Key, list[pq.abc.PGconn]] = defaultdict(list)
_copies: set[str] = set()
_ended = pq.PGconn.connect(b"host=/nowhere")  # for the connections whose server process went on
_ended.finish()


def reuse(database: str) -> None:
    """Reuse the server processes of a database from now on."""
    if not _copies:
        _install()
    _copies.add(database)


def pids(database: str) -> list[int]:
    """Return the ids of its server processes that no test uses."""
    return [connection.backend_pid for connection in _unused[os.getpid(), database]]


def forget(database: str) -> None:
    """End the server processes of a database."""
    _copies.discard(database)
    for connection in _unused.pop((os.getpid(), database), []):
        connection.finish()


def _install() -> None:
    connect, close = PinnedConnection.connect.__func__, PinnedConnection.close  # type: ignore[attr-defined]
    PinnedConnection.connect = classmethod(partial(_connect, connect))  # type: ignore[assignment]
    PinnedConnection.close = lambda self: _close(close, self)  # type: ignore[method-assign,arg-type]


def _connect(connect: Any, kind: type[PinnedConnection], *arguments: Any, **options: Any) -> PinnedConnection:
    unused = _unused[os.getpid(), str(options.get("dbname"))]
    while unused and not arguments and options.get("user") == OWNER:
        server = unused.pop()
        if server.status == pq.ConnStatus.OK and server.exec_(b"DISCARD ALL").status == pq.ExecStatus.COMMAND_OK:
            made = kind(server)
            made._adapters = AdaptersMap(options["context"].adapters) if options.get("context") else made._adapters
            return made
        server.finish()
    return connect(kind, *arguments, **options)  # type: ignore[no-any-return]


def _close(close: Any, connection: PinnedConnection) -> None:
    server = connection.pgconn
    if connection.closed or connection.info.dbname not in _copies:
        close(connection)
        return
    name = connection.info.dbname
    if server.transaction_status != pq.TransactionStatus.IDLE:
        server.exec_(b"ROLLBACK")
    connection.pgconn = _ended
    close(connection)
    if server.transaction_status == pq.TransactionStatus.IDLE:
        _unused[os.getpid(), name].append(server)
    else:
        server.finish()
