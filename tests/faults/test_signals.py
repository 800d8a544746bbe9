"""A server that is stopped under load answers every request that it accepted, and then ends.

SIGKILL is durability/test_kill_nine.py's; a worker that is killed, cli/test_serve.py's.
"""

import os
import select
import signal
import socket
from base64 import b64encode
from contextlib import ExitStack

import pytest

from tests.api import Admin, User
from tests.conftest import StartServer
from tests.live import LiveServer

LOGINS = 6  # each hashes a password: some wait for the others


def send_login(live: LiveServer, user: User) -> socket.socket:
    """Send a request that takes long, and leave its answer unread."""
    connection = socket.create_connection(("127.0.0.1", live.port), timeout=20)
    basic = b64encode(f"{user.username}:{user.password}".encode()).decode()
    asked = f"GET /api/v1/me HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nAuthorization: Basic {basic}\r\n\r\n"
    connection.sendall(asked.encode())
    return connection


def read_to_end(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read to the end; return the status line and the body, whose length must match its header."""
    read = b""
    while more := connection.recv(65_536):
        read += more
    head, _, body = read.partition(b"\r\n\r\n")
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    assert lengths and int(lengths[0]) == len(body), read
    return head.split(b"\r\n")[0], body


def refuses(live: LiveServer) -> bool:
    """Return whether connections are refused."""
    try:
        socket.create_connection(("127.0.0.1", live.port), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.contract("SIGTERM under load: what was taken is answered")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_stopping_server_answers_the_accepted_requests_only(fresh_server: StartServer, workers: int) -> None:
    live = fresh_server(workers=workers)
    user = Admin(live).user()
    process = live._process
    assert process is not None
    with ExitStack() as held:
        asked = [held.enter_context(send_login(live, user)) for _ in range(LOGINS)]
        answered = select.select(asked, [], [], 20)[0]  # the first, while the others wait for their turn
        assert 1 <= len(answered) < LOGINS
        os.kill(live.pid, signal.SIGTERM)
        answers = [read_to_end(connection) for connection in asked]
        assert [status for status, _ in answers] == [b"HTTP/1.1 200 OK"] * LOGINS
        assert all(user.username.encode() in body for _, body in answers)
        assert process.wait(8) == 0
    assert refuses(live)
    assert "Traceback" not in live.log_text()
    asked_for = [line for line in live.log_records() if line.get("route") == "/api/v1/me"]
    assert [line["status"] for line in asked_for] == [200] * LOGINS  # each is in the log too
