"""Peers that do nothing hold nothing: unfinished bodies, idle connections, answers that are not taken."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from app.operations.admission import TOO_MANY, Admission
from app.operations.reaper import BODY_DEADLINE, HURRIED, Reaper
from tests.api import Admin
from tests.conftest import StartServer
from tests.live import LiveServer

HEAD = (
    "{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    "Content-Length: {length}\r\n\r\n{begin}"
)
ADDRESSES = [f"127.0.2.{n}" for n in range(1, 65)]


def connect(server: LiveServer, source: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=20, source_address=(source, 0))


def begin(
    server: LiveServer, source: str = "127.0.0.1", path: str = "/oauth/token", method: str = "POST"
) -> socket.socket:
    """Announce a body, and send its beginning only."""
    peer = connect(server, source)
    peer.sendall(HEAD.format(method=method, path=path, length=1_000, begin="grant").encode())
    return peer


@contextmanager
def closing(peers: list[socket.socket]) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        for peer in peers:
            stack.enter_context(peer)
        yield peers


def statuses(server: LiveServer, admin: Admin, rounds: int) -> set[int]:
    """Ask for tokens and for health, as normal load does."""
    pair = server.bootstrap["client_id"], server.bootstrap["client_secret"]
    form = {"grant_type": "client_credentials", "scope": "manage"}
    asked = [server.http.post("/oauth/token", data=form, auth=pair).status_code for _ in range(rounds)]
    return {*asked, *(server.http.get("/healthz").status_code for _ in range(rounds))}


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ADDRESSES], ids=["one address", "64 addresses"])
def test_a_thousand_unfinished_bodies_and_idle_connections_stop_nobody(
    fresh_server: StartServer, addresses: list[str]
) -> None:
    server = fresh_server()
    admin = Admin(server)
    sources = [addresses[n % len(addresses)] for n in range(1_000)]
    idle = [connect(server, source) for source in sources]
    slow = [begin(server, source) for source in sources]
    with closing(idle), closing(slow):
        started = time.monotonic()
        while time.monotonic() < started + BODY_DEADLINE + 2:
            assert statuses(server, admin, 20) == {200}
            threading.Event().wait(0.1)
        answers = [peer.recv(12) for peer in slow]
    assert set(answers) == {b"HTTP/1.1 408"}


def test_an_unfinished_body_is_ended_at_its_deadline_on_any_route(fresh_server: StartServer) -> None:
    server = fresh_server()
    started = time.monotonic()
    routes = ("/oauth/token", "/oauth/introspect", "/login", "/api/v1/users", "/no/such/route", "/healthz")
    with closing([begin(server, path=path) for path in routes for _ in range(2)]) as peers:
        answers = {peer.recv(12) for peer in peers}
    assert answers == {b"HTTP/1.1 408"} and time.monotonic() - started < BODY_DEADLINE + 5


def test_an_unfinished_body_that_follows_another_request_at_once_is_ended_too(server: LiveServer) -> None:
    with connect(server) as peer:
        head = HEAD.format(method="POST", path="/oauth/token", length=1_000, begin="grant")
        peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" + head.encode())
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 2 and (more := peer.recv(10_000)):
            answers += more
    assert answers.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 408" in answers


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_request_whose_body_means_nothing_is_answered_without_it(server: LiveServer, method: str) -> None:
    with begin(server, path="/healthz", method=method) as peer:
        assert peer.recv(12) == b"HTTP/1.1 200"


def test_a_body_that_comes_slowly_but_comes_is_taken(server: LiveServer) -> None:
    with connect(server) as peer:
        body = "token=x"
        peer.sendall(HEAD.format(method="POST", path="/oauth/revoke", length=len(body), begin=body[:3]).encode())
        threading.Event().wait(1.2)  # more than one look of the reaper
        peer.sendall(body[3:].encode())
        assert peer.recv(12) == b"HTTP/1.1 200"


def test_an_incomplete_message_is_not_worked_on(server: LiveServer) -> None:
    with connect(server) as peer:
        peer.sendall(HEAD.format(method="POST", path="/oauth/revoke", length=20, begin="token=x").encode())
        peer.shutdown(socket.SHUT_WR)
        assert not peer.recv(100).startswith(b"HTTP/1.1 2")
    ids = {line["status"] for line in server.log_records() if line.get("path") == "/oauth/revoke"}
    assert 408 not in ids  # refused before the application


class Input:
    """A body that never comes, until it is let go."""

    def __init__(self) -> None:
        self.begun, self.gone = threading.Event(), threading.Event()

    def read(self, _size: int) -> bytes:
        self.begun.set()
        assert self.gone.wait(20)
        return b""


def awaited_body(**more: object) -> dict[str, object]:
    environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/oauth/token", "CONTENT_LENGTH": "5", "REMOTE_ADDR": "192.0.2.1"}
    return {**environ, "wsgi.input": Input(), **more}


def test_beyond_the_bound_a_body_is_refused_and_never_awaited() -> None:
    admission = Admission(100, most_waiting=3)
    admission.awaited.update({-n: awaited_body() for n in range(3)})
    assert admission.refuse(awaited_body()) == TOO_MANY


def reaper_of(awaited: dict[int, dict[str, object]]) -> Reaper:
    admission = Admission(100)
    admission.awaited = awaited
    return Reaper(admission, 0, 100)


def test_a_crowd_from_one_address_is_hurried_and_others_keep_their_time() -> None:
    crowd = {n: awaited_body(REMOTE_ADDR="198.51.100.7") for n in range(200)} | {999: awaited_body()}
    reaper = reaper_of(crowd)
    assert reaper.overdue(1_000.0) == {}
    late = reaper.overdue(1_000.0 + HURRIED)
    assert {address: len(ones) for address, ones in late.items()} == {"198.51.100.7": 200}
    late = reaper.overdue(1_000.0 + BODY_DEADLINE)
    assert {address: len(ones) for address, ones in late.items()} == {"198.51.100.7": 200, "192.0.2.1": 1}


def test_another_request_of_the_same_thread_has_its_own_deadline() -> None:
    awaited = {1: awaited_body()}
    reaper = reaper_of(awaited)
    reaper.overdue(1_000.0)
    awaited[1] = awaited_body()
    assert reaper.overdue(1_000.0 + BODY_DEADLINE) == {}


def test_an_answer_that_nobody_takes_is_ended(fresh_server: StartServer) -> None:
    server = fresh_server()
    with connect(server) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(60):  # more than the kernel's buffers hold
            peer.sendall(request)
        deadline = time.monotonic() + 45
        while server_connections(server) and time.monotonic() < deadline:
            threading.Event().wait(0.1)
        assert not server_connections(server)


def server_connections(server: LiveServer) -> int:
    """Count the established connections of the server's port, as the kernel lists them."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    local = f"0100007F:{server.port:04X}"
    return sum(row[1] == local and row[3] == "01" for row in rows)
