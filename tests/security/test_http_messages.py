"""HTTP messages that two readers could read differently, and methods nobody needs: ASVS 5.0.0 section 4.2, RFC 9112."""

import socket

import pytest

from tests.live import LiveServer

HIDDEN = b"GET /healthz?smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
POST = b"POST /oauth/token HTTP/1.1\r\nHost: a\r\n" + FORM


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"


def exchange(server: LiveServer, message: bytes) -> bytes:
    """Send bytes and a plain request after them on one connection; return all bytes until it is closed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(message + b"GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        heard = b""
        try:
            while piece := connection.recv(65_536):
                heard += piece
        except ConnectionResetError:
            pass
    return heard


def answers(heard: bytes) -> list[int]:
    return [int(piece[:3]) for piece in heard.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.asvs("4.2.1")
@pytest.mark.contract("no message is read in two ways")
@pytest.mark.spec("RFC 9112 §6.3", "RFC 9112 §11.2")
@pytest.mark.parametrize(
    "message",
    [
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"") + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + chunked(b"") + HIDDEN,
        POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: +%d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + chunked(b"") + HIDDEN,
        POST + b"Transfer-Encoding: chunked\r\n\r\n" + b"0_0\r\n\r\n" + HIDDEN,
    ],
    ids=["both", "both, chunked first", "two", "a list", "signed", "unknown", "a space", "two codings", "a bad chunk"],
)
def test_a_message_of_two_lengths_smuggles_nothing(server: LiveServer, message: bytes) -> None:
    """The message is refused, and with it all that came on its connection."""
    assert answers(exchange(server, message)) == [400]


def test_what_has_one_length_is_followed_by_the_next(server: LiveServer) -> None:
    heard = answers(exchange(server, POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"grant_type=x")))
    assert heard == [401, 404] or heard == [400, 404]


@pytest.mark.asvs("13.4.4")
@pytest.mark.contract("no message is read in two ways")
def test_trace_is_refused(server: LiveServer) -> None:
    for method in ("TRACE", "TRACK", "CONNECT", "DEBUG"):
        for path in ("/healthz", "/oauth/token", "/api/v1/me", "/login"):
            heard = exchange(server, f"{method} {path} HTTP/1.1\r\nHost: a\r\nX-Secret: hush\r\n\r\n".encode())
            assert answers(heard)[0] in (400, 403, 404, 405, 501), (method, path, answers(heard))
            assert b"hush" not in heard


@pytest.mark.asvs("4.4.1–4")
def test_no_connection_is_upgraded(server: LiveServer) -> None:
    asked = (
        b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    )
    for protocol in (b"websocket", b"h2c"):
        heard = exchange(server, asked % protocol)
        assert 101 not in answers(heard) and answers(heard), protocol


@pytest.mark.contract("no message is read in two ways")
def test_headers_without_end_are_refused(server: LiveServer) -> None:
    for head in (b"X-Long: " + b"a" * 600_000 + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(5_000))):
        assert answers(exchange(server, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n")) == [431]
    assert server.http.get("/healthz").status_code == 200


@pytest.mark.spec("RFC 9112 §9.6")
@pytest.mark.parametrize("length", [1, 4_096, 4_097, 100_000])
@pytest.mark.parametrize(
    "line", ["GET /healthz", "HEAD /login", "OPTIONS /nowhere", "POST /oauth/forward-auth?resource=x"]
)
def test_an_answer_that_does_not_wait_for_its_body_announces_the_end_of_the_connection(
    server: LiveServer, line: str, length: int
) -> None:
    """The client would use the connection again, and the server has dropped it."""
    head = f"{line} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=3) as connection:
        connection.sendall(head)
        assert b"\r\nconnection: close\r\n" in connection.recv(65_536).lower()
