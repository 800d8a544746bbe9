"""Keys of a jwks_uri: cached, limited in size and time, not fetched from a private network unless allowed."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import httpcore
import pytest

from app.actions.trust import flights
from app.actions.trust.fetch_json import LARGEST_RESPONSE, PATIENCE, FetchJson
from app.actions.trust.fetch_jwks import AGAIN, FRESH, FetchJwks
from app.actions.trust.flights import AT_ONCE, WAITERS
from tests.contract.waiting import until

SET = {"keys": [{"kid": "k1"}]}
Answer = Callable[[socket.socket], None]


class Host:
    """Answers every connection on loopback as `answer` says."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Answer = says(json.dumps(SET).encode())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/keys"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.asked += 1
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.recv(65_536)
            self.answer(connection)

    def close(self) -> None:
        self._listener.close()


def says(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    """Answer with this at once."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda connection: connection.sendall("\r\n".join(lines).encode() + body)


def drips(first: bytes, then: bytes) -> Answer:
    """Answer a byte at a time, never done."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(first)
        for _ in range(600):
            connection.sendall(then)
            threading.Event().wait(0.05)

    return answer


class Held:
    """Answer with SET, but not before `let_go`; `arrived` counts the waiting requests."""

    def __init__(self) -> None:
        self.arrived = threading.Semaphore(0)
        self.let_go = threading.Event()

    def __call__(self, connection: socket.socket) -> None:
        self.arrived.release()
        self.let_go.wait(30)
        says(json.dumps(SET).encode())(connection)


class Fetching(threading.Thread):
    """Fetches in another thread; `got` is what came of it."""

    def __init__(self, fetch: FetchJwks, uri: str) -> None:
        super().__init__(daemon=True)
        self._fetch, self._uri = fetch, uri
        self.got: Any = "nothing yet"
        self.start()

    def run(self) -> None:
        self.got = self._fetch(self._uri, "k1")


class Ticks:
    """A clock that is set by the test."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def host() -> Iterator[Host]:
    made = Host()
    yield made
    made.close()


def test_an_answer_is_kept_for_five_minutes(host: Host) -> None:
    ticks = Ticks()
    fetch = FetchJwks(allow_private=True, monotonic=ticks)
    assert [fetch(host.url, kid) for kid in ("k1", "k1", None)] == [SET] * 3 and host.asked == 1
    ticks.now += FRESH - 1
    assert fetch(host.url, "k1") == SET and host.asked == 1
    ticks.now += 1
    assert fetch(host.url, "k1") == SET and host.asked == 2


def test_an_unknown_kid_fetches_again_every_half_minute_at_most(host: Host) -> None:
    ticks = Ticks()
    fetch = FetchJwks(allow_private=True, monotonic=ticks)
    for _ in range(5):
        fetch(host.url, "k2")
    assert host.asked == 1
    ticks.now += AGAIN
    host.answer = says(b'{"keys": [{"kid": "k2"}]}')
    assert fetch(host.url, "k2") == {"keys": [{"kid": "k2"}]} and host.asked == 2


def test_a_key_that_is_new_is_fetched_at_once_and_the_next_one_half_a_minute_later(host: Host) -> None:
    ticks = Ticks()
    fetch = FetchJwks(allow_private=True, monotonic=ticks)
    assert fetch(host.url, "k1") == SET and host.asked == 1
    host.answer = says(b'{"keys": [{"kid": "k2"}]}')
    assert fetch(host.url, "k2") == {"keys": [{"kid": "k2"}]} and host.asked == 2
    for _ in range(5):
        fetch(host.url, "stranger")
    ticks.now += AGAIN - 1
    fetch(host.url, "stranger")
    assert host.asked == 2
    ticks.now += 1
    for _ in range(5):
        fetch(host.url, "stranger")
    assert host.asked == 3


@pytest.mark.asvs("16.5.2")
def test_a_failure_is_remembered_for_half_a_minute(host: Host) -> None:
    ticks = Ticks()
    fetch = FetchJwks(allow_private=True, monotonic=ticks)
    good, host.answer = host.answer, says(b"", "500 Oops")
    assert fetch(host.url, "k1") is None
    host.answer = good
    assert fetch(host.url, "k1") is None and host.asked == 1
    ticks.now += AGAIN
    assert fetch(host.url, "k1") == SET


FAILURES: dict[str, Answer] = {"an error": says(b"", "503 Away"), "no set": says(b'{"error": "later"}')}


@pytest.mark.asvs("16.5.2")
@pytest.mark.contract("a key host that fails or hangs affects no other client")
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_ends_no_good_keys_before_their_time(host: Host, failure: str) -> None:
    ticks = Ticks()
    fetch = FetchJwks(allow_private=True, monotonic=ticks)
    assert fetch(host.url, "k1") == SET
    host.answer = FAILURES[failure]
    ticks.now += AGAIN + 1
    for _ in range(3):  # a stranger's kid, while the host is away for a moment
        assert fetch(host.url, "stranger") == fetch(host.url, "k1") == SET and host.asked == 2
    ticks.now += FRESH - AGAIN - 2
    assert fetch(host.url, "k1") == SET and host.asked == 2
    ticks.now += 1
    assert fetch(host.url, "k1") is None and host.asked == 3  # the failed fetch does not make them newer


@pytest.mark.contract("a key host that fails or hangs affects no other client")
def test_one_uri_is_fetched_once_at_a_time_and_a_few_wait_for_it(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "WAITING", 30.0)
    held, fetch = Held(), FetchJwks(allow_private=True)
    host.answer = held
    asking = [Fetching(fetch, host.url)]
    assert held.arrived.acquire(timeout=30)
    asking += [Fetching(fetch, host.url) for _ in range(WAITERS)]
    until(lambda: fetch._flights.waiting == WAITERS)
    assert fetch(host.url, "k1") is None and host.asked == 1
    held.let_go.set()
    for one in asking:
        one.join()
    assert [one.got for one in asking] == [SET] * len(asking) and host.asked == 1


def test_nobody_waits_for_long(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "WAITING", 0.01)
    held, fetch = Held(), FetchJwks(allow_private=True)
    host.answer = held
    first = Fetching(fetch, host.url)
    assert held.arrived.acquire(timeout=30)
    assert [fetch(host.url, "k1") for _ in range(3)] == [None] * 3 and host.asked == 1
    held.let_go.set()
    first.join()
    assert first.got == fetch(host.url, "k1") == SET and host.asked == 1


def test_during_a_refresh_the_others_use_the_cached_keys(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flights, "WAITING", 0.01)
    ticks, held = Ticks(), Held()
    fetch = FetchJwks(allow_private=True, monotonic=ticks)
    assert fetch(host.url, "k1") == SET
    host.answer = held
    ticks.now += FRESH
    first = Fetching(fetch, host.url)
    assert held.arrived.acquire(timeout=30)
    ticks.now += PATIENCE - 1
    assert fetch(host.url, "k1") == SET and host.asked == 2
    ticks.now += 1
    assert fetch(host.url, "k1") is None and host.asked == 2
    held.let_go.set()
    first.join()


@pytest.mark.asvs("16.5.2")
@pytest.mark.contract("a key host that fails or hangs affects no other client")
def test_hosts_that_hang_hold_few_threads(host: Host) -> None:
    held, fetch = Held(), FetchJwks(allow_private=True)
    assert fetch(host.url, "k1") == SET
    host.answer = held
    hanging = [Fetching(fetch, f"{host.url}/{number}") for number in range(AT_ONCE)]
    for _ in hanging:
        assert held.arrived.acquire(timeout=30)
    assert fetch(f"{host.url}/further", "k1") is None and host.asked == AT_ONCE + 1
    assert fetch(host.url, "k1") == SET
    held.let_go.set()
    for one in hanging:
        one.join()
    assert fetch(f"{host.url}/further", "k1") == SET


BROKEN: dict[str, Answer] = {
    "a redirect": says(b"{}", "302 Found", "Location: /other"),
    "a redirect with keys": says(json.dumps(SET).encode(), "301 Moved", "Location: http://127.0.0.1:1/"),
    "not found": says(b"{}", "404 Not Found"),
    "too much": says(b'{"keys": [], "x": "' + b"x" * LARGEST_RESPONSE + b'"}'),
    "no json": says(b"not json"),
    "a list": says(b"[]"),
    "no list": says(b'{"keys": 7}'),
    "no utf-8": says(b"\xff\xfe"),
    "too deep": says(b"[" * 5000),
    "no http": lambda connection: connection.sendall(b"garbage\r\n\r\n"),
    "cut short": lambda connection: connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"),
    "hung up": lambda connection: None,
}
DRIPPING: dict[str, Answer] = {
    "in a header": drips(b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "in the body": drips(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n", b" "),
    "not at all": drips(b"", b""),
}


@pytest.mark.asvs("13.2.5")
@pytest.mark.parametrize("answer", BROKEN)
def test_a_malformed_key_set_is_none(host: Host, answer: str) -> None:
    host.answer = BROKEN[answer]
    assert FetchJwks(allow_private=True, patience=2)(host.url, "k1") is None


@pytest.mark.parametrize("answer", DRIPPING)
def test_a_host_that_drips_has_one_deadline_for_all(host: Host, answer: str) -> None:
    host.answer = DRIPPING[answer]
    started = time.monotonic()
    assert FetchJwks(allow_private=True, patience=0.3)(host.url, "k1") is None
    assert time.monotonic() - started < 5


@pytest.mark.asvs("9.1.3", "13.2.4")
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1", "100.64.0.1", "::1", "fe80::1%eth0",
     "fd00::1", "::ffff:127.0.0.1", "::", "224.0.0.1", "240.0.0.1", "ff02::1", "fec0::1", "::127.0.0.1",
     "::8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::808:808", "2002:7f00:1::", "2001:0:7f00:1::", "4000::1"],
)  # fmt: skip
def test_no_private_address_is_asked_however_it_is_named(
    host: Host, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(address))
    fetch = FetchJwks(allow_private=False)
    with pytest.raises(ValueError, match="private"):
        FetchJson("keys", allow_private=False).checked_address(httpcore.URL("https://keys.example/"))
    assert fetch("https://keys.example/jwks", "k1") is None
    assert fetch(host.url, "k1") is None
    assert host.asked == 0


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "64:ff9b::808:808", "::ffff:8.8.8.8"])
def test_a_public_address_is_fetched_from_in_each_of_its_forms(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to(address))
    assert FetchJson("keys", allow_private=False).checked_address(httpcore.URL("https://keys.example/")) == address


@pytest.mark.asvs("RFC 8725 §3.10")
def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("203.0.114.1", "127.0.0.1"))
    with pytest.raises(ValueError, match="private"):
        FetchJson("keys", allow_private=False).checked_address(httpcore.URL("https://keys.example/"))


@pytest.mark.asvs("13.2.4")
def test_plain_http_to_the_outside_is_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("198.41.0.4"))
    for allowed in (True, False):
        with pytest.raises(ValueError, match="http"):
            FetchJson("keys", allow_private=allowed).checked_address(httpcore.URL("http://keys.example/"))
    assert FetchJson("keys", allow_private=False).checked_address(httpcore.URL("https://keys.example/")) == "198.41.0.4"


@pytest.mark.asvs("13.2.5")
def test_the_connection_goes_where_the_check_looked(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves otherwise the second time (DNS rebinding) changes nothing."""
    port, asked = int(host.url.split(":")[2].split("/")[0]), []
    real = socket.getaddrinfo

    def rebinding(name: str, *args: Any, **kwargs: Any) -> Any:
        asked.append(name)
        return real("127.0.0.1" if name in ("keys.example", "127.0.0.1") else name, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert FetchJwks(allow_private=True)(f"http://keys.example:{port}/keys", "k1") == SET
    assert asked.count("keys.example") == 1


@pytest.mark.parametrize(
    "uri", ["ftp://127.0.0.1/", "file:///etc/passwd", "nonsense", "http://", "http://[::", "", "https://ex ample/"]
)
def test_a_malformed_address_is_none(uri: str) -> None:
    assert FetchJwks(allow_private=True, patience=1)(uri, None) is None


def resolving_to(*addresses: str) -> Callable[..., Any]:
    """Return a getaddrinfo that knows only these."""
    found = [(socket.AF_INET6 if ":" in a else socket.AF_INET, socket.SOCK_STREAM, 6, "", (a, 443)) for a in addresses]
    return lambda *args, **kwargs: found
