"""Over the wire, to a real server: a hostile request is answered soon and shortly, and the next one is answered too."""

import http.client
import json
import re
import time
from urllib.parse import urlencode

import pytest

from app import MAX_BODY
from tests.live import LiveServer

SOON = 5.0  # seconds, on a machine that does much else; each took longer, or up to minutes, before it was bounded
LONGEST_ANSWER = 16_384  # bytes
FORM = "application/x-www-form-urlencoded"
LEAKS = "/api/v1/credentials/revoke"
Answer = tuple[int, bytes, http.client.HTTPMessage]


def ask(server: LiveServer, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send one request; return status, body and headers."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    began = time.monotonic()
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert time.monotonic() - began < SOON, (method, path)
    return answer.status, content, answer.headers


def signing_in(server: LiveServer) -> tuple[str, str]:
    """Return the token of the form and the cookie of somebody who is about to sign in."""
    _, page, headers = ask(server, "GET", "/login")
    found = re.search(rb'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert found
    return found[1].decode(), headers["Set-Cookie"].partition(";")[0]


@pytest.mark.parametrize("piece", ["eyJ", "eyJa.", "lk_pat_", "\u00e9", "<"])
def test_a_long_name_at_the_sign_in_page_is_not_echoed(server: LiveServer, piece: str) -> None:
    token, cookie = signing_in(server)
    name = piece * (90_000 // len(piece) // (1 if piece.isalnum() and piece.isascii() else 6))
    body = urlencode({"csrf_token": token, "username": name, "password": "x"}).encode()
    status, page, _ = ask(server, "POST", "/login", body, Content_Type=FORM, Cookie=cookie)
    assert status == 401 and len(page) < LONGEST_ANSWER
    assert ask(server, "GET", "/healthz")[0] == 200


@pytest.mark.contract("pages take a plain form alone, and no boundary is compiled")
@pytest.mark.parametrize("length", [100, 1_000, 16_000, 380_000])
@pytest.mark.parametrize("path", ["/login", "/oauth/token", LEAKS, "/oauth/forward-auth?resource=x"])
def test_a_boundary_of_any_length_is_refused_or_ignored(server: LiveServer, path: str, length: int) -> None:
    content_type = "multipart/form-data; boundary=" + "x" * length
    status, answer, _ = ask(server, "POST", path, b"x", Content_Type=content_type)
    assert status == (401 if "forward-auth" in path else 400 if "oauth" in path else 415)
    assert len(answer) < LONGEST_ANSWER


@pytest.mark.both_databases
@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
@pytest.mark.parametrize(
    "body",
    [
        b'{"credentials":[' + b",".join([b"1"] * 500_000) + b"]}",
        b'{"credentials":[' + b",".join([b"1"] * 1_000) + b"]}",
        b"{" + b",".join(b'"f%d":1' % number for number in range(60_000)) + b"}",
        b'{"' + b"k" * 500_000 + b'":1}',
        b'{"credentials":' + b"[" * 1_000_000,
        b'{"credentials":' + b"1" * 1_000_000 + b"}",
    ],
    ids=["many elements", "wrong elements", "many members", "a long member", "deep", "a large number"],
)
def test_a_leak_report_is_never_answered_at_length(server: LiveServer, body: bytes) -> None:
    assert len(body) <= MAX_BODY
    status, answer, _ = ask(server, "POST", LEAKS, body, Content_Type="application/json")
    assert status in (400, 422) and len(answer) < LONGEST_ANSWER
    assert len(json.loads(answer).get("errors", [])) <= 20


@pytest.mark.parametrize("path", ["/login", "/oauth/token", "/oauth/introspect", "/oauth/revoke"])
def test_a_form_of_many_fields_is_refused(server: LiveServer, path: str) -> None:
    for body in (b"%41&" * 200_000, b"%41&" * 50_000, b"a=" + b"%41\xc3\xa9" * 150_000):
        status, answer, _ = ask(server, "POST", path, body, Content_Type=FORM)
        assert status in (400, 413) and len(answer) < LONGEST_ANSWER


@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
@pytest.mark.parametrize("name", ["Cookie", "Accept", "Accept-Language", "If-None-Match", "Authorization", "X-Long"])
@pytest.mark.parametrize("path", ["/login", "/account", "/api/v1/me", "/assets/latchkey.css", "/.well-known/jwks.json"])
def test_a_long_header_is_refused(server: LiveServer, path: str, name: str) -> None:
    for value in ('"a",' * 20_000, "a/b;q=0.5," * 10_000, "a=b;" * 20_000):
        status, answer, _ = ask(server, "GET", path, b"", **{name: value})
        assert status == 431 and len(answer) < LONGEST_ANSWER
