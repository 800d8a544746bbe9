"""Garbage of every sort at every route: a clear 4xx or a harmless answer, never a 5xx, never a stack trace."""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app import create_app
from app.operations.admission import NEVER_READ, SHORT_BODY
from app.settings.settings import Settings
from tests.api import Admin

FORMS = ("/oauth/token", "/oauth/introspect", "/oauth/revoke")
NAMES = [
    *("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope", "resource"),
    *("audience", "token", "token_type_hint", "client_ip", "subject_token", "subject_token_type", "actor_token"),
    "requested_token_type",
]
KNOWN = [
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:token-exchange",
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "lk_pat_" + "0" * 38,
    "a.b.c",
    "eyJhbGciOiJub25lIn0.eyJjcmVkZW50aWFsX3R5cGUiOiJjbGllbnRfY3JlZGVudGlhbHMifQ.x",
    "127.0.0.1",
    "\0",
    "\ud7ff\uffff",
    "x" * 20_000,
]
GARBAGE = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
texts = st.sampled_from(KNOWN) | st.text(max_size=40)
pairs = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=10), texts), max_size=8)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=80)


class Wire:
    """Sends bytes as they are, which no client library would, and reads one answer."""

    def __init__(self, admin: Admin) -> None:
        self._address = ("127.0.0.1", admin.server.port)

    def send(self, method: str, target: str, headers: list[tuple[str, bytes]], body: bytes) -> tuple[int, bytes]:
        """Return the status and the whole answer."""
        head = f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n".encode()
        head += b"".join(name.encode() + b": " + value + b"\r\n" for name, value in headers) + b"\r\n"
        with socket.create_connection(self._address, timeout=60) as connection:
            # a GET is answered by its head: a long body may reset the connection under the answer (RFC 9112 §9.6)
            connection.sendall(head if method in NEVER_READ and len(body) > SHORT_BODY else head + body)
            answer = b""
            while chunk := connection.recv(65_536):
                answer += chunk
        return int(answer.split(b" ", 2)[1]), answer


@pytest.fixture(scope="module")
def wire(admin: Admin) -> Wire:
    return Wire(admin)


def clean(answer: tuple[int, bytes], *, refused: bool = False) -> None:
    """Assert that the answer is harmless."""
    status, text = answer
    assert (400 if refused else 200) <= status < 500, text
    assert b"Traceback" not in text, text
    assert b"sqlite" not in text.lower(), text


@GARBAGE
@given(path=st.sampled_from(FORMS), form=pairs, authorization=st.none() | header_values, query=pairs)
def test_no_form_breaks_an_endpoint(
    wire: Wire, path: str, form: Any, authorization: str | None, query: list[tuple[str, str]]
) -> None:
    headers = [("Content-Type", b"application/x-www-form-urlencoded")]
    if authorization is not None:
        headers.append(("Authorization", authorization.encode("latin-1")))
    target = f"{path}?{urlencode(query)[:2000]}" if query else path
    clean(wire.send("POST", target, headers, urlencode(form).encode()))


@GARBAGE
@given(path=st.sampled_from(FORMS), body=st.binary(max_size=300), content_type=header_values)
def test_no_body_of_any_type_breaks_an_endpoint(wire: Wire, path: str, body: bytes, content_type: str) -> None:
    clean(wire.send("POST", path, [("Content-Type", content_type.encode("latin-1"))], body))


@GARBAGE
@given(body=st.binary(max_size=200))
def test_bytes_that_are_not_utf8_are_refused(wire: Wire, body: bytes) -> None:
    form = b"grant_type=client_credentials&client_id=" + b"".join(b"%%%02x" % byte for byte in body)
    for path in FORMS:
        clean(wire.send("POST", path, [("Content-Type", b"application/x-www-form-urlencoded")], form), refused=True)


@GARBAGE
@given(query=pairs, headers=st.lists(st.tuples(st.sampled_from(["Authorization", "X-API-Key"]), header_values)))
def test_nothing_breaks_forward_auth(wire: Wire, query: Any, headers: list[tuple[str, str]]) -> None:
    sent = [(name, value.encode("latin-1")) for name, value in headers]
    clean(wire.send("GET", f"/oauth/forward-auth?{urlencode(query)[:3000]}", sent, b""), refused=True)


@pytest.mark.parametrize("scheme", ["Basic", "Bearer", "basic", "BEARER", "Digest", "Basic,", ""])
@pytest.mark.parametrize("value", [b"", b"\xff\xfe", b"%", b"=", b"Og==", b"Ojo6", b"dXNlcg==", b"//79", b"a" * 6000])
def test_no_authorization_header_breaks_anything(wire: Wire, scheme: str, value: bytes) -> None:
    header = ("Authorization", scheme.encode() + b" " + value)
    form = ("Content-Type", b"application/x-www-form-urlencoded")
    for path in FORMS:
        clean(wire.send("POST", path, [header, form], b"grant_type=client_credentials&token=x"))
    for path in ("/oauth/forward-auth?resource=x", "/api/v1/me", "/api/v1/users"):
        clean(wire.send("GET", path, [header], b""), refused=True)


def routes(tmp_settings: Settings) -> Iterator[tuple[str, str]]:
    """Return every method and rule that the application has."""
    for rule in create_app(tmp_settings).url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield method, rule.rule


def test_every_route_answers_garbage_with_a_refusal(
    wire: Wire, admin: Admin, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found = list(routes(Settings(instance_dir=tmp_path_factory.mktemp("map"), secret_key="k" * 40)))
    assert len(found) > 50
    bearer = ("Authorization", f"Bearer {admin.token()}".encode())
    for method, rule in found:
        if rule.endswith("/signing-keys/rotate"):
            continue  # it takes no body, so garbage in it changes nothing
        for segment in SEGMENTS if "<" in rule else SEGMENTS[:1]:
            clean(wire.send(method, filled(rule, segment), [bearer], b""))
        for content_type, body in BODIES:
            clean(wire.send(method, filled(rule, "none"), [bearer, ("Content-Type", content_type)], body))


SEGMENTS = ("%00", "%ff", "..%2f..", "x" * 3000, "%F0%9F%94%91", "'--")
BODIES = [
    (b"application/json", b"{"),
    (b"application/json", b"[" * 50_000),
    (b"application/json", b"null"),
    (b"application/json", b'"\\ud800"'),
    (b"application/json", b'{"name": "\\u0000", "limit": 1e400, "a": ' + b"9" * 5000 + b"}"),
    (b"application/json; charset=utf-16", b"\xff\xfe{\x00}\x00"),
    (b"application/json", b"\xff\xfe\x00"),
    (b"text/plain", b"hello"),
    (b"multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: form-data; name=token\r\n\r\n\xff\r\n--x--"),
    (b"multipart/form-data", b"no boundary"),
    (b"application/x-www-form-urlencoded", b"&=&&%%%=%zz&" + b"a=" * 3000),
    (b"application/x-www-form-urlencoded", b"token=" + b"x" * 1_500_000),
]


def filled(rule: str, segment: str) -> str:
    """Put a segment where the rule has a variable."""
    parts = [segment if part.startswith("<") else quote(part) for part in rule.split("/")]
    return "/".join(parts)


@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("wrong", [None, True, 0, -1, 1.5, [], {}, [None], {"a": {}}, "\u0000", "x" * 100_000])
def test_a_wrong_type_in_any_field_is_refused(admin: Admin, wrong: Any) -> None:
    document = admin.get("/openapi.json", auth=False).json()
    tried = 0
    for path, operations in document["paths"].items():
        for method in {"post", "patch"} & set(operations):
            content = operations[method].get("requestBody", {}).get("content", {}).get("application/json")
            if content is None:
                continue
            name = content["schema"]["$ref"].rsplit("/", 1)[-1]
            for field in document["components"]["schemas"][name]["properties"]:
                target = path.replace("/api/v1", "").replace("{", "").replace("}", "")
                answer = admin.request(method.upper(), target, json={field: wrong})
                fitting = isinstance(wrong, str) and field == "credential"  # any text may be asked about
                fitting = fitting or (wrong is True and field == "only_when_known")  # all that a body may say there
                assert fitting or 400 <= answer.status_code < 500, f"{method} {target} {field} {answer.text[:200]}"
                tried += 1
    assert tried > 40
