"""Free ports of 127.0.0.1 that stay with the process that was given them, also while nothing listens on them."""

import fcntl
import os
import random
import socket
from functools import cache
from pathlib import Path
from typing import IO

RANGE = range(15_000, 32_000)  # below the ports that the kernel gives to outgoing connections
_given: set[int] = set()


def free_port() -> int:
    """Return a free port; until this process ends, no other process of the tests is given it.

    A server that is stopped and started again finds its port free.
    """
    for port in random.sample(RANGE, min(len(RANGE), 1_000)):
        if port not in _given and _is_free(port) and _lock(port):
            _given.add(port)
            return port
    raise RuntimeError("no free port was found")


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _lock(port: int) -> bool:
    """Lock the byte of a port in a file that all processes share; the lock ends with the process."""
    try:
        fcntl.lockf(_locks(os.getpid()), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


@cache
def _locks(pid: int) -> IO[bytes]:
    """Open the file of locks: once a process, since closing any handle of it would end the locks."""
    return Path(f"/tmp/latchkey-test-ports-{os.getuid()}").open("ab")  # noqa: S108 - whatever TMPDIR a program has
