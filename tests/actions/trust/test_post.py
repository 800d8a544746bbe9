"""Receivers that attack: none is reached by a private address, none costs more than its time, none is believed."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.actions.trust.ask_json import AskJson
from app.actions.trust.fetch_json import FetchJson
from app.actions.trust.post import Answer, Post
from tests.clients.document_host import make_certificate
from tests.oauth.test_fetch_jwks import resolving_to
from tests.receiver import Receiver, receiving

HEADERS = {"Content-Type": "application/json"}
PATIENCE = 0.5
ENDLESS = {
    "a body of a gigabyte": (b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n", b"x" * 65_536, 200),
    "a body without end": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n", 200),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536, None),
    "headers without end": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 1_000, None),
    "interim answers without end": (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100, None),
    "a status line without end": (b"HTTP/1.1 200 ", b"x" * 65_536, None),
    "nonsense": (b"", b"\xff\x00" * 1_000, None),
    "nothing": (b"", b"", None),
}


@contextmanager
def endless(begin: bytes, again: bytes) -> Iterator[tuple[str, list[int]]]:
    """Run a receiver that begins an answer and never ends it; yield its URL, and how much it has sent."""
    sent = [0]

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(5)
                connection.recv(65_536)
                connection.sendall(begin)
                while again:
                    connection.sendall(again)
                    sent[0] += len(again)
                connection.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/hook", sent
        thread.join(10)
        assert not thread.is_alive()


@pytest.mark.asvs("13.2.5", "16.5.2")
@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
@pytest.mark.parametrize("answer", ENDLESS)
def test_an_answer_without_end_costs_a_bounded_time_and_is_not_read(answer: str) -> None:
    begin, again, status = ENDLESS[answer]
    with endless(begin, again) as (url, sent):
        began = time.monotonic()
        got = Post(allow_private=True, patience=PATIENCE)(url, HEADERS, "{}")
        assert time.monotonic() - began < PATIENCE + 3
    assert got.status == status and (status or got.problem) and sent[0] < 100_000_000


@pytest.mark.asvs("9.1.3", "13.2.4")
@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1", "0.0.0.1", "224.0.0.1"],
)
def test_no_private_address_is_sent_anything_however_it_is_named(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    post = Post(allow_private=False, patience=PATIENCE)
    literal = f"[{address}]" if ":" in address else address
    assert post(f"https://{literal}/hook", HEADERS, "{}") == Answer(None, "not allowed: a private address")
    monkeypatch.setattr(socket, "getaddrinfo", resolving_to("198.41.0.4", address))
    assert post("https://hooks.example/", HEADERS, "{}") == Answer(None, "not allowed: a private address")


@pytest.mark.asvs("13.2.5")
@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
def test_a_name_that_resolves_otherwise_after_the_check_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, receiver: Receiver
) -> None:
    """DNS rebinding: the connection goes to the address that was checked, and the name is resolved once."""
    asked: list[str] = []
    real: Callable[..., Any] = socket.getaddrinfo

    def rebinding(name: str, *rest: Any, **named: Any) -> Any:
        if name == "hooks.example":
            asked.append(name)
            name = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return real(name, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    url = receiver.url.replace("127.0.0.1", "hooks.example")
    assert Post(allow_private=True)(url, HEADERS, "{}").accepted
    assert asked == ["hooks.example"] and receiver.sent[0].headers["Host"].startswith("hooks.example")


@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
@pytest.mark.parametrize("trusted", [False, True], ids=["of nobody", "of another name"])
def test_a_certificate_that_is_not_valid_is_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    certificate = make_certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    with receiving(certificate) as receiver:
        url = receiver.url.replace("127.0.0.1", "localhost") if trusted else receiver.url
        assert Post(allow_private=True)(url, HEADERS, "{}") == Answer(None, "its certificate is not valid")
        assert receiver.sent == []
        if trusted:
            assert Post(allow_private=True)(receiver.url, HEADERS, "{}").accepted


@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, status: int) -> None:
    receiver.answers, receiver.location = status, receiver.url + "/elsewhere"
    assert Post(allow_private=True)(receiver.url, HEADERS, "{}") == Answer(status)
    assert [sent.path for sent in receiver.sent] == ["/hook"]


@pytest.mark.parametrize("url", ["https://" + "a" * 64 + ".example/", "http://[::", "https://"])
def test_a_host_that_is_none_is_an_answer_too(url: str) -> None:
    assert not Post(allow_private=True, patience=PATIENCE)(url, HEADERS, "{}").accepted


@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
@pytest.mark.parametrize("path", ["/hook;key=1", "/a;b/c;d?e;f=%3B", "/;", "?x=1", ""])
def test_a_url_is_asked_with_its_whole_path(receiver: Receiver, path: str) -> None:
    """RFC 3986 §3.3: a semicolon is a character of a path, as in /hook;key=1."""
    receiver.answers, url = 200, f"http://127.0.0.1:{receiver.port}{path}"
    assert Post(allow_private=True)(url, HEADERS, "{}").accepted
    FetchJson("a document", allow_private=True)(url)
    AskJson("an endpoint", allow_private=True)("POST", url, {})
    assert [sent.path for sent in receiver.sent] == [path if path.startswith("/") else f"/{path}"] * 3


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver that accepts."""
    with receiving() as made:
        yield made


def test_plain_http_to_a_tls_receiver_fails(tmp_path: Path) -> None:
    with receiving(make_certificate(tmp_path)) as secure:
        answer = Post(allow_private=True, patience=PATIENCE)(secure.url.replace("https", "http"), HEADERS, "{}")
        assert not answer.accepted and secure.sent == []
