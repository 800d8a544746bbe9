"""Whatever size a field, a parameter, a header or a path has, the answer is short, in little time, and no 5xx."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule

import app as latchkey
from app.http.request_bounds import LONGEST_HEADER, MOST_FIELDS, MOST_FORM
from app.operations import metrics
from tests.core import ORDERS
from tests.management.face import Face
from tests.processor_time import at_most
from tests.web.visitor import Visitor, browser_of

MEBIBYTE = 1_048_576
LONGEST_ANSWER = 16_384  # bytes, of an error; of a page, beyond what it has without the input
MOST_SECONDS = 1.0  # of CPU for one request, on a slow machine that does much else; they take some 10 ms
HEADERS = (
    *("Accept", "Accept-Language", "Accept-Encoding", "Authorization", "Cookie", "Content-Type", "DPoP", "Range"),
    *("If-None-Match", "If-Match", "If-Modified-Since", "Cache-Control", "X-API-Key", "X-CSRF-Token", "X-Request-Id"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Prefix"),
    *(
        "X-Original-URL",
        "X-Original-Method",
        "Forwarded",
        "User-Agent",
        "Referer",
        "Origin",
        "Sec-Fetch-Site",
        "X-Long",
    ),
)
VALUES = ("a", "eyJ", "a/b;q=0.5,", '"a",', "a;b=c;", "lk_pat_", "%41", ",", "\u00e9")
NAME = re.compile(r"""(?:name="|field\("|area\("|args\.get\("|form\.get\("|line\("|text\(")([a-z_]+)""")
ARGUMENT = re.compile(r"""args\.get\("([a-z_]+)""")
ASKING = [
    file.read_text(encoding="utf-8")
    for file in (Path(latchkey.__file__).parent / "web").rglob("*")
    if file.suffix in (".html", ".py")
]
ARGUMENTS = sorted({name for file in ASKING for name in ARGUMENT.findall(file)})
NAMES = sorted(
    {name for file in ASKING for name in NAME.findall(file)}
    | {"limit", "cursor", "resource", "scope", "challenge", "q", "after"}
)
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def operator(face: Face) -> Visitor:
    return browser_of(face, face.person("manage"))


@pytest.fixture(scope="module")
def token(face: Face) -> str:
    return face.machine("manage")


def routes(face: Face) -> Iterator[tuple[str, str]]:
    """Return the method and a path of each route; its variables are ids that nothing has."""
    for rule in face.app.url_map.iter_rules():
        for method in sorted(rule.methods or ()):
            if method in ("GET", "POST", "PATCH", "DELETE"):
                yield method, path_of(rule, "usr_0000000000000000000000")


def path_of(rule: Rule, variable: str) -> str:
    return re.sub(r"<(?:[^:<>]+:)?(?:[^<>]+)>", variable, rule.rule).replace("<any", "")


@pytest.fixture(autouse=True, scope="module")
def _only_own_durations() -> None:
    """Drop the durations of other tests' requests: /metrics would render each label of this process again."""
    metrics._latency.clear()


@pytest.fixture(scope="module")
def usual_sizes(face: Face) -> dict[tuple[str, str], int]:
    """The size of each route's answer to a request without anything long."""
    client = face.app.test_client(use_cookies=False)
    return {(method, path): len(ask(client, method, path).data) for method, path in routes(face)}


def ask(client: FlaskClient, method: str, path: str, **options: Any) -> Any:
    """Send a request, and assert that the answer is not a 5xx and came fast."""
    with at_most(MOST_SECONDS, (method, path[:80])):
        response = client.open(path, method=method, **options)
    unready = path == "/readyz"  # this database was made without migrations
    assert response.status_code < 500 or unready, (method, path[:80], response.status_code)
    assert sum(len(name) + len(value) for name, value in response.headers) < LONGEST_ANSWER, (method, path[:80])
    return response


def is_short(response: Any, usual: int = 0) -> bool:
    size = len(response.data)
    if response.request.path == "/metrics":  # a line more for each route that was asked in between
        return size < usual + LONGEST_ANSWER
    return size <= (usual + LONGEST_ANSWER if response.mimetype == "text/html" else max(usual, LONGEST_ANSWER))


@pytest.mark.both_databases
@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
def test_long_fields_of_a_form_are_not_echoed(face: Face, operator: Visitor) -> None:
    assert {"username", "jwks", "allowed_ips", "expires_on", "description"} <= set(NAMES)
    size = MOST_FORM // len(NAMES) - 50
    for method, path in routes(face):
        if method == "POST" and not path.startswith(("/api/", "/oauth/")):
            usual = len(ask(operator.http, "POST", path, data={"csrf_token": operator._token}).data)
            for value in ("eyJ", "<&\u00e9"):
                form = dict.fromkeys(NAMES, value * (size // len(value.encode()) // 6)) | {
                    "csrf_token": operator._token
                }
                assert is_short(ask(operator.http, "POST", path, data=form), usual), path
            operator = operator if path != "/logout" else browser_of(face, face.person("manage"))


@pytest.mark.contract("pages take a plain form alone, and no boundary is compiled")
@pytest.mark.parametrize("path", ["/login", "/account/password", "/oauth/token", "/oauth/introspect", "/oauth/revoke"])
def test_a_form_is_bounded_in_bytes_and_fields(face: Face, path: str) -> None:
    visitor = browser_of(face, face.person())
    options = {"content_type": "application/x-www-form-urlencoded"}
    too_large = ask(visitor.http, "POST", path, data=b"username=" + b"%41" * (MOST_FORM // 3), **options)
    too_many = ask(visitor.http, "POST", path, data=b"%41&" * (MOST_FIELDS + 1), **options)
    assert too_large.status_code == 413 and is_short(too_large)
    assert too_many.status_code in (400, 413) and is_short(too_many)


@pytest.mark.contract("pages take a plain form alone, and no boundary is compiled")
@pytest.mark.parametrize(
    "content_type", ["multipart/form-data; boundary=" + "x" * 100, "application/json", "text/plain"]
)
def test_pages_take_a_plain_form_alone(face: Face, content_type: str) -> None:
    visitor = browser_of(face, face.person())
    for path in ("/login", "/logout", "/account/password", "/account/tokens"):
        response = ask(visitor.http, "POST", path, data=b"x", content_type=content_type)
        assert response.status_code == 415 and response.mimetype == "text/html", path


@pytest.mark.contract("pages take a plain form alone, and no boundary is compiled")
def test_no_boundary_of_any_length_is_compiled(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(*_: object, **__: object) -> None:
        raise AssertionError("a multipart parser was made")

    monkeypatch.setattr("werkzeug.sansio.multipart.MultipartDecoder.__init__", parse)
    monkeypatch.setattr("werkzeug.formparser.MultiPartParser.__init__", parse)
    for length in (10, 16_000, 380_000):
        for method, path in routes(face):
            content_type = "multipart/form-data; boundary=" + "x" * length
            ask(face.app.test_client(), method, path, data=b"--x", content_type=content_type)


@pytest.mark.both_databases
@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
def test_long_parameters_of_a_query_are_not_echoed(face: Face, operator: Visitor, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for path in (path for method, path in routes(face) if method == "GET" and path != "/api/v1/comparison"):
        usual = len(ask(operator.http, "GET", path, headers=headers).data)
        is_list = path.startswith("/console") and path.count("/") == 2
        for name in ("", "next", *(ARGUMENTS if is_list else ("limit", "x"))):
            query = {name: "eyJ" * 8_000} if name else dict.fromkeys(NAMES, "a" * 900)
            answer = ask(operator.http, "GET", path, query_string=query, headers=headers)
            assert is_short(answer, usual), (path, name)


@pytest.mark.both_databases
@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
def test_a_long_path_is_answered_soon_and_not_echoed(face: Face, token: str) -> None:
    client = face.app.test_client(use_cookies=False)  # for its cookies it would unquote each path twice
    for rule in face.app.url_map.iter_rules():
        for piece in ("a", "/", "eyJ", "usr_0/"):
            long = piece * (60_000 // len(piece))
            path = path_of(rule, long) if "<" in rule.rule else f"{rule.rule}x{long}"
            given = {"PATH_INFO": path, "HTTP_AUTHORIZATION": f"Bearer {token}"}
            assert is_short(ask(client, "GET", "/", environ_overrides=given)), rule.rule


@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
@pytest.mark.parametrize("value", VALUES)
def test_long_headers_are_refused_or_ignored(face: Face, value: str, usual_sizes: dict[tuple[str, str], int]) -> None:
    client = face.app.test_client(use_cookies=False)
    short, long = (value * (size // len(value)) for size in (LONGEST_HEADER, 2 * LONGEST_HEADER))
    for (method, path), usual in usual_sizes.items():
        assert is_short(ask(client, method, path, environ_overrides=all_headers(short)), usual), path
        answer = ask(client, method, path, environ_overrides=all_headers(long))
        assert is_short(answer, usual)
        assert path.startswith("/oauth/") or answer.status_code == 431, (method, path)


@pytest.mark.parametrize("name", HEADERS)
def test_each_long_header_alone_is_refused_in_the_form_of_its_path(face: Face, name: str) -> None:
    headers = {name: "x" * (LONGEST_HEADER + 1)}
    client = face.app.test_client(use_cookies=False)
    for path, content_type in (("/api/v1/users", "application/problem+json"), ("/login", "application/json")):
        response = ask(client, "GET", path, headers=headers)
        if name != "Content-Type":  # as long as that, it names no type that any route takes
            assert (response.status_code, response.content_type) == (431, content_type)


@pytest.mark.parametrize("header", ["Cookie", "User-Agent", "X-Anything", "Accept", "Content-Type"])
def test_what_a_gateway_copies_changes_no_verdict_however_long(face: Face, header: str) -> None:
    key = face.core.key()[1]
    asked = f"/oauth/forward-auth?resource={ORDERS}"
    for size in (1_000, 300_000):
        headers = {"Authorization": f"Bearer {key}", header: "a" * size}
        assert ask(face.app.test_client(use_cookies=False), "GET", asked, headers=headers).status_code == 200


def all_headers(value: str) -> dict[str, str]:
    """Return every header as WSGI has it: the test client would look at each of their characters first."""
    named = {f"HTTP_{name.upper().replace('-', '_')}": value for name in HEADERS if name != "Content-Type"}
    return named | {"CONTENT_TYPE": value}


def bodies(properties: list[str], most: int = MEBIBYTE // 8) -> Iterator[bytes]:
    """Return bodies of `most` bytes that are wrong in every way that could make an answer long."""
    names = [*properties[:4], "x"]
    for value in ('"' + "a" * 20_000 + '"', '"' + "\u96e8" * 20_000 + '"', "[" + "1," * 20_000 + "1]", "9" * 4_000):
        for name in names:
            yield f'{{"{name}": {value}}}'.encode()
    yield json.dumps({name: ["\U0001f511" * 150] * 600 for name in names[:2]}, ensure_ascii=False).encode()[:most]
    yield json.dumps({f"f{number}": 1 for number in range(most // 12)}).encode()
    yield json.dumps({name: {f"f{number}": 1 for number in range(most // 60)} for name in names}).encode()
    yield json.dumps({name: [{"\U0001f511" * 90: 1}] * 90 for name in names}, ensure_ascii=False).encode()
    yield json.dumps({"\U0001f511" * 100 + str(number): 1 for number in range(90)}, ensure_ascii=False).encode()
    yield b'{"' + b"k" * (most - 10) + b'": 1}'
    yield b'{"x": ' + b"[" * (most - 10)
    yield b'{"x": ' + b"1" * (most - 10) + b"}"
    yield b'{"x": 1' + b"0" * (most - 20) + b".5}"
    yield b'{"x": 1, "x": 2}'
    yield b'{"x": 1, ' * (most // 10)


@pytest.mark.both_databases
@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
def test_no_body_of_the_api_is_answered_at_length(face: Face, token: str) -> None:
    document: Any = face.http.get("/api/v1/openapi.json").json
    schemas = document["components"]["schemas"]
    tried = 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method in ("post", "patch"):
                content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                named = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
                where = re.sub(r"\{[^}]+\}", "usr_0000000000000000000000", path)
                size = {"most": MEBIBYTE} if "revoke" in path else {}
                for body in bodies(list(schemas.get(named, {}).get("properties", {})), **size):
                    headers = JSON | {"Authorization": f"Bearer {token}"}
                    answer = ask(face.http, method.upper(), where, data=body, headers=headers)
                    assert len(answer.data) <= LONGEST_ANSWER, (where, body[:60], len(answer.data))
                    tried += 1
    assert tried > 300


@pytest.mark.both_databases
@pytest.mark.contract("no input of any size is echoed or answered at length: forms, queries, paths, headers, JSON")
@pytest.mark.parametrize(
    "name", ["scope", "resource", "token", "grant_type", "client_id", "subject_token", "client_ip"]
)
@pytest.mark.parametrize("endpoint", ["token", "introspect", "revoke"])
def test_no_parameter_of_oauth_is_answered_at_length(face: Face, endpoint: str, name: str) -> None:
    face.core.client(f"oversized-{endpoint}-{name}")
    for value in ("a" * 200_000, " ".join(f"a{number}" for number in range(20_000)), "\u96e8" * 20_000):
        form = {"grant_type": "client_credentials", name: value}
        assert is_short(ask(face.http, "POST", f"/oauth/{endpoint}", data=form)), (endpoint, name)


@pytest.mark.both_databases
@pytest.mark.parametrize(("count", "status"), [(300, 403), (8_000, 400)])
def test_many_missing_scopes_do_not_make_a_long_challenge(face: Face, count: int, status: int) -> None:
    key = face.core.key()[1]
    asked = {"resource": ORDERS, "scope": " ".join(f"a{number}" for number in range(count))}
    response = ask(
        face.http, "GET", "/oauth/forward-auth", query_string=asked, headers={"Authorization": f"Bearer {key}"}
    )
    assert response.status_code == status and len(response.headers.get("WWW-Authenticate", "")) < 200
    assert len(response.data) < 400
