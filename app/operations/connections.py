"""The connections of this process as the kernel sees them (Linux), to end those whose peer is idle.

The HTTP server waits without a limit for a body, and for a peer to read its answer, and does not expose the port of
the peer. The kernel knows when data last arrived and left on each connection; shutting down its reading end ends the
wait for the body.
"""

from __future__ import annotations

import os
import resource
import socket
import stat
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

ESTABLISHED, CLOSE_WAIT = 1, 8  # tcp_info.tcpi_state
LAST_SENT = struct.Struct("=44xI4xI")  # of tcp_info: tcpi_last_data_sent, tcpi_last_data_recv, in milliseconds
AMOUNTS = struct.Struct("=120xQQ8xI")  # tcpi_bytes_acked, tcpi_bytes_received, tcpi_notsent_bytes
TCP_INFO_SIZE = 192  # bytes that hold all of these (Linux 4.6)
FILES = "/proc/self/fd"
MOST_CONNECTIONS = 4_096  # of one process; an incomplete head may take 400 kB
OTHER_FILES = 256  # further open files of a process
SUPPORTED = sys.platform == "linux"


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection of a client: times in seconds since data last moved, amounts in bytes."""

    socket: socket.socket
    address: str
    peer: tuple[str, int]
    since_sent: float
    since_received: float
    acknowledged: int
    received: int
    unsent: int

    @property
    def is_mid_request(self) -> bool:
        """Whether the peer may have sent something that is not answered yet."""
        return self.received > 0 and self.since_received <= self.since_sent

    @property
    def is_surely_mid_request(self) -> bool:
        """Whether it certainly has: an immediate answer and one to a request just before look alike."""
        nothing_sent = self.acknowledged <= 1 and not self.unsent  # the handshake counts as one
        return self.is_mid_request and (nothing_sent or self.since_received < self.since_sent)

    @property
    def idle(self) -> float:
        """Seconds since anything moved."""
        return min(self.since_sent, self.since_received)

    def end_reading(self) -> None:
        """Shut down reading: the server sees the end of the stream and can still answer."""
        _shut(self.socket, socket.SHUT_RD)

    def end(self) -> None:
        """Shut down both directions."""
        _shut(self.socket, socket.SHUT_RDWR)


def most_connections() -> int:
    """Raise the limit of open files as far as needed and allowed; return how many connections fit in it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_CONNECTIONS + OTHER_FILES
    if soft < wanted and soft != resource.RLIM_INFINITY:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return MOST_CONNECTIONS if soft == resource.RLIM_INFINITY else max(64, min(MOST_CONNECTIONS, soft - OTHER_FILES))


def count_open_files() -> int:
    """Return how many files and sockets this process has open; 0 where that cannot be seen."""
    try:
        return len(os.listdir(FILES))
    except OSError:
        return 0


def connections_at(port: int) -> Iterator[Connection]:
    """Yield the clients' connections to our port; each is valid until the next one is yielded."""
    for name in os.listdir(FILES):
        with suppress(OSError), _duplicate(int(name)) as duplicate:
            found = _describe(duplicate, port)
            if found is not None:
                yield found


def _duplicate(descriptor: int) -> socket.socket:
    """Duplicate a socket, whose descriptor may be closed and reused meanwhile; raise OSError for other files.

    No copy of another file is ever closed: that would release all locks of this process on it (fcntl(2)), and another
    process would believe that it is the last one to use our database.
    """
    if not _is_socket(descriptor):
        raise OSError("not a socket")
    return socket.socket(fileno=os.dup(descriptor))  # a descriptor that became a file meanwhile is not closed


def _is_socket(descriptor: int) -> bool:
    return stat.S_ISSOCK(os.fstat(descriptor).st_mode)


def _describe(of: socket.socket, port: int) -> Connection | None:
    if of.family not in (socket.AF_INET, socket.AF_INET6) or of.type != socket.SOCK_STREAM:
        return None
    if of.getsockname()[1] != port:
        return None
    peer = of.getpeername()  # raises OSError for a listening socket
    info = of.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_SIZE)
    if len(info) < TCP_INFO_SIZE or info[0] not in (ESTABLISHED, CLOSE_WAIT):
        return None
    sent, received = LAST_SENT.unpack_from(info)
    return Connection(of, peer[0], peer[:2], sent / 1000, received / 1000, *AMOUNTS.unpack_from(info))


def _shut(of: socket.socket, how: int) -> None:
    with suppress(OSError):  # it has ended meanwhile
        of.shutdown(how)
