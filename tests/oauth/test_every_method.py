"""Only a good credential gets a 2xx: every route, by every method, without, with a bad and with a good one."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from werkzeug.routing import Rule

from app.web.assets import ASSETS
from tests.core import ORDERS
from tests.fast_lane.lanes import Asked, Lanes, capture
from tests.oauth.wire import OWN

KNOWN = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT")
MADE_UP = ("FOO", "PRI", "PROPFIND", "get", "Post", "options", "GET-", "X" * 100)
METHODS = (*KNOWN, *MADE_UP)
READ = {"GET", "HEAD"}
PUBLIC = {
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/api/docs",
    "/api/docs/assets/<any('docs.css', 'docs.js'):name>",
    "/api/v1/openapi.json",
    f"/assets/<any({', '.join(map(repr, ASSETS))}):name>",
    "/assets/comparison.css",
    "/healthz",
    "/login",
    "/login/link",
    "/metrics",
    "/status-lists",
}
COSTLY = {"/compare", "/api/v1/comparison"}  # public too, and not asked here: they measure what they show
OTHER_METHODS = {
    "/oauth/register/<client_id>": {"GET", "HEAD", "PUT", "DELETE"},  # RFC 7592 §2
    "/oauth/authorize": {"GET", "HEAD", "POST"},  # RFC 6749 §3.1
}
QUERY = f"resource={ORDERS}"
BAD = "lk_pat_" + "0" * 38


@pytest.fixture(scope="module")
def open_lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    made = Lanes(tmp_path_factory.mktemp("methods"))
    yield made
    made.close()


@pytest.fixture
def lanes(open_lanes: Lanes, monkeypatch: pytest.MonkeyPatch) -> Lanes:
    capture(open_lanes, monkeypatch)
    return open_lanes


def rules(lanes: Lanes) -> list[Rule]:
    app: Flask = lanes.wire.http.application
    return list(app.url_map.iter_rules())


def path_of(rule: Rule) -> str:
    values: dict[str, Any] = {name: getattr(rule._converters[name], "items", None) or "x" for name in rule.arguments}
    for name, value in values.items():
        values[name] = sorted(value)[0] if isinstance(value, set) else value
    _, path = rule.build(values, append_unknown=False) or ("", rule.rule)
    return path


def question(path: str, method: str, token: str | None) -> Asked:
    headers = {"AUTHORIZATION": f"Bearer {token}"} if token else {}
    return Asked(path, method, query=QUERY if "forward-auth" in path else "", headers=headers)


def status(lanes: Lanes, path: str, method: str, token: str | None) -> int:
    """Send a request to the application with the lane, without measuring it."""
    said: list[str] = []
    fast: Any = lanes._fast
    list(fast(question(path, method, token).wsgi(), lambda status, *_: said.append(status)))
    return int(said[0][:3])


@pytest.mark.parametrize("method", METHODS)
def test_the_oauth_endpoints_have_their_own_method_alone_on_both_lanes(lanes: Lanes, method: str) -> None:
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        reply = lanes.both(question(path, method, lanes.wire.bearer))
        assert reply.status.startswith("405") is (method != "POST")
        assert not reply.status.startswith("2")


@pytest.mark.contract(
    "forward-auth and every path below it: each method judged like GET, no 2xx without a good credential"
)
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        *((method, "") for method in METHODS),
        *((method, "/anything/at/all") for method in METHODS),
        *(("GET", rest) for rest in ("/", "//x/../y", "/a%2fb", "/\0\n\xff", "/oauth/token")),
    ],
)
def test_forward_auth_judges_every_method_and_path_alike_on_both_lanes(lanes: Lanes, method: str, rest: str) -> None:
    path, core = f"/oauth/forward-auth{rest}", lanes.core
    good, bad = core.m2m("robot", "orders:read"), core.m2m("robot", "stock:read")
    assert lanes.both(question(path, method, good)).status == "200 OK"
    for token, error in ((None, ""), (BAD, "invalid_token"), (bad, "invalid_token")):
        reply = lanes.both(question(path, method, token))
        assert reply.status.startswith("401") and error in dict(reply.headers)["WWW-Authenticate"]


def test_no_rule_below_oauth_answers_by_itself(lanes: Lanes) -> None:
    for rule in rules(lanes):
        assert not getattr(rule, "provide_automatic_options", False), rule
        if rule.rule.startswith("/oauth/"):
            assert rule.methods is None or rule.methods == OTHER_METHODS.get(rule.rule, {"POST"}), rule


# These two come last: each pair of a route and a method adds metrics, which the tests above compare.
@pytest.mark.contract(
    "forward-auth and every path below it: each method judged like GET, no 2xx without a good credential"
)
def test_nobody_gets_a_2xx_but_from_a_public_route_by_its_own_method(lanes: Lanes) -> None:
    answered = {
        (rule.rule, method)
        for rule in rules(lanes)
        for method in METHODS
        for token in (None, BAD)
        if (rule.rule not in COSTLY or method not in READ) and status(lanes, path_of(rule), method, token) < 300
    }
    assert answered == {(rule, method) for rule in PUBLIC for method in READ}


@pytest.mark.contract(
    "forward-auth and every path below it: each method judged like GET, no 2xx without a good credential"
)
def test_a_good_credential_gets_a_2xx_by_the_methods_of_the_route_alone(lanes: Lanes) -> None:
    core = lanes.core
    core.role("managing", "machine", "manage")
    core.client("manager", "managing")
    token = core.m2m("manager", "manage", OWN)
    own: dict[str, set[str]] = {}
    for rule in rules(lanes):
        own.setdefault(path_of(rule), set()).update(rule.methods or METHODS)
    for path, methods in own.items():
        for method in set(METHODS) - methods:
            assert status(lanes, path, method, token) >= 300, (path, method)
