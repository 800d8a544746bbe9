"""Which answers a script on a page of another origin may read."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.oauth.wire import GRANT, ORDERS, Wire, refused

APP, OTHER = "https://app.example", "https://evil.example"
PUBLIC = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/status-lists",
)
SHARED = ("/.well-known/", "/status-lists", "/oauth/token", "/oauth/revoke", "/compare", "/api/v1/comparison")
CORS = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods")
MakeWire = Callable[..., Wire]


def preflight(wire: Wire, path: str, origin: str) -> Any:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "dpop"}
    return wire.http.options(path, headers=headers)


@pytest.mark.contract("public documents are read by every page; token and revoke by `ALLOWED_ORIGINS`; nothing else")
@pytest.mark.parametrize("path", PUBLIC)
def test_every_page_reads_the_public_documents(wire: Wire, path: str) -> None:
    for origin in ({}, {"Origin": OTHER}, {"Origin": "null"}):
        answer = wire.http.get(path, headers=origin)
        assert answer.status_code == 200 and answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.contract("public documents are read by every page; token and revoke by `ALLOWED_ORIGINS`; nothing else")
def test_by_default_no_page_reads_a_token(wire: Wire) -> None:
    for endpoint in ("token", "revoke"):
        refused(preflight(wire, f"/oauth/{endpoint}", APP), 405, "invalid_request")
    answer = wire.post("token", GRANT | {"resource": ORDERS}, wire.robot, headers={"Origin": APP})
    assert answer.status_code == 200 and not any(name in answer.headers for name in (*CORS, "Vary"))


@pytest.mark.contract("public documents are read by every page; token and revoke by `ALLOWED_ORIGINS`; nothing else")
@pytest.mark.parametrize("endpoint", ["token", "revoke"])
def test_a_page_of_an_allowed_origin_reads_the_answer_and_the_refusal(own_wire: MakeWire, endpoint: str) -> None:
    wire = own_wire(allowed_origins=f"http://localhost:5173, {APP}")
    opened = preflight(wire, f"/oauth/{endpoint}", APP)
    assert opened.status_code == 204 and opened.headers["Access-Control-Allow-Origin"] == APP
    assert opened.headers["Access-Control-Allow-Methods"] == "POST" and opened.headers["Vary"] == "Origin"
    assert "DPoP" in opened.headers["Access-Control-Allow-Headers"]
    for form, auth in ((GRANT | {"resource": ORDERS, "token": "x"}, wire.robot), ({}, None)):
        answer = wire.post(endpoint, form, auth, headers={"Origin": APP})
        assert answer.headers["Access-Control-Allow-Origin"] == APP and answer.headers["Vary"] == "Origin"
        assert "Access-Control-Allow-Credentials" not in answer.headers


@pytest.mark.contract("public documents are read by every page; token and revoke by `ALLOWED_ORIGINS`; nothing else")
@pytest.mark.parametrize(
    "origin", [OTHER, "null", f"{APP}:8443", f"{APP}.evil.example", "http://app.example", APP.upper(), ""]
)
def test_no_other_origin_is_answered(own_wire: MakeWire, origin: str) -> None:
    wire = own_wire(allowed_origins=APP)
    for endpoint in ("token", "revoke"):
        closed = preflight(wire, f"/oauth/{endpoint}", origin)
        assert closed.status_code == 405 and not any(name in closed.headers for name in CORS)
        answer = wire.post(endpoint, GRANT | {"resource": ORDERS}, wire.robot, headers={"Origin": origin})
        assert not any(name in answer.headers for name in CORS) and answer.headers["Vary"] == "Origin"


def test_an_options_request_that_is_not_a_preflight_is_refused(own_wire: MakeWire) -> None:
    wire = own_wire(allowed_origins=APP)
    assert wire.http.options("/oauth/token", headers={"Origin": APP}).status_code == 405
    assert wire.http.options("/oauth/token").status_code == 405


@pytest.mark.contract("public documents are read by every page; token and revoke by `ALLOWED_ORIGINS`; nothing else")
def test_no_other_endpoint_answers_an_allowed_origin(own_wire: MakeWire) -> None:
    wire = own_wire(allowed_origins=APP)
    app: Any = wire.http.application
    for rule in app.url_map.iter_rules():
        if not rule.rule.startswith(SHARED):
            path = rule.rule.replace("<", "").replace(">", "").partition(":")[0]
            for method in ("OPTIONS", "GET", "POST"):
                answer = wire.http.open(path, method=method, headers={"Origin": APP, CORS[2]: "POST"})
                assert not any(name in answer.headers for name in CORS), (method, path)
                assert method != "OPTIONS" or answer.status_code >= 400
