"""The connections of a process, seen through the kernel: no other file of it is touched."""

import fcntl
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from app.operations import reaper as module
from app.operations.admission import Admission
from app.operations.connections import connections_at
from app.operations.reaper import Reaper

TRY = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"


@contextmanager
def listening(peers: int) -> Iterator[tuple[int, list[socket.socket], list[socket.socket]]]:
    """Yield a port, the peers' ends of connections to it, and ours."""
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = door.getsockname()[1]
        theirs, ours = [], []
        for _ in range(peers):
            theirs.append(stack.enter_context(socket.create_connection(("127.0.0.1", port))))
            ours.append(stack.enter_context(door.accept()[0]))
        yield port, theirs, ours


def test_a_look_at_the_connections_keeps_the_locks_of_other_files(tmp_path: Path) -> None:
    """fcntl(2): closing any descriptor of a file releases all locks that the process has on it; SQLite's are such."""
    path = tmp_path / "locked"
    path.write_text("")
    with path.open("r+") as file, listening(2) as (port, _theirs, _ours):
        fcntl.lockf(file, fcntl.LOCK_EX)
        assert len(list(connections_at(port))) == 2
        tried = subprocess.run([sys.executable, "-c", TRY, path], capture_output=True, check=False)
        assert tried.returncode == 1 and b"BlockingIOError" in tried.stderr


def test_of_one_address_only_the_request_whose_body_stalls_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy all have one address: an idle connection, one whose body stalls, one that has just begun."""
    deadlines = (0.5, 2.0, 8.0)  # the kernel's times are real: a busy machine needs longer ones
    assert any(ended_of_three(monkeypatch, deadline) == [False, True, False] for deadline in deadlines)


def ended_of_three(monkeypatch: pytest.MonkeyPatch, deadline: float) -> list[bool]:
    """Return whether the idle connection, the stalled one and the fresh one were ended by their reaper."""
    monkeypatch.setattr(module, "BODY_DEADLINE", deadline)
    monkeypatch.setattr(module, "SLACK", 0.3 * deadline)
    with listening(3) as (port, (idle, stalled, fresh), ours):
        for peer, own in zip((idle, fresh), (ours[0], ours[2]), strict=True):  # both had an answer
            peer.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
            own.recv(100)
            own.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        admission = Admission(100)
        reaper = Reaper(admission, port, 10_000)
        stalled.sendall(b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        admission.awaited[1] = {"REMOTE_ADDR": "127.0.0.1"}
        for _ in range(4):
            reaper.check(answers=False)
            threading.Event().wait(0.2 * deadline)
        fresh.sendall(b"POST /x HTTP/1.1\r\nContent-Length: 5\r\n\r\n")
        admission.awaited[2] = {"REMOTE_ADDR": "127.0.0.1"}
        for _ in range(3):
            reaper.check(answers=False)
            threading.Event().wait(0.2 * deadline)
        return ended(ours)


def ended(sockets: list[socket.socket]) -> list[bool]:
    """Return of each connection whether its reading end was closed."""
    found = []
    for one in sockets:
        one.settimeout(0)
        try:
            while one.recv(1_000):
                pass
            found.append(True)
        except BlockingIOError:
            found.append(False)
    return found
