"""What every answer says of itself, and what it does not: ASVS 5.0.0 sections 3.4, 4.1 and 13.4."""

import json
import re

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.web.assets import ASSETS
from tests.architecture.checkout import ROOT
from tests.management.face import Face
from tests.operations.application import application, settings_in

HTTPS = "https://login.example"
HIDDEN = (
    "/.git/config /.git/HEAD /.env /assets/ /assets /assets/.. /assets/../pages.py /assets/%2e%2e/pages.py /static/ "
    "/assets/SHA256SUMS /assets/LICENSE /api/docs/ /instance/bootstrap.json /bootstrap.json /latchkey.db /secret_key "
    "/pyproject.toml /app/__init__.py /server-status /console.html /assets//etc/passwd /debug /.well-known/"
)
PUBLIC = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
    "/.well-known/jwks.json",
    "/status-lists",
)
JSON_BODIES = ("application/json", "application/problem+json", "application/jwk-set+json")
SCIM_BODIES = ("application/scim+json",)  # RFC 7644 §8.1
TO_ALL = ("Access-Control-Allow-Origin", "*")
VERSIONS = re.compile(r"(werkzeug|flask|granian|python|sqlalchemy|sqlite|postgresql)[/ ]?\d", re.I)


@pytest.fixture(scope="module")
def http(face: Face) -> FlaskClient:
    """Speak to an application whose issuer is https."""
    return face.http


@pytest.fixture(scope="module")
def answers(face: Face) -> list[TestResponse]:
    """Ask every route by every method it has and by one that it has not, fast lane included."""
    asked = [
        (method, re.sub(r"<[^>]+>", ASSETS[0], rule.rule))
        for rule in face.app.url_map.iter_rules()
        for method in {*(rule.methods or ()), "PUT"}
    ]
    asked += [("GET", f"/assets/{name}") for name in ASSETS] + [("GET", "/nowhere"), ("GET", "/api/v1/nowhere")]
    given = [face.http.open(path, method=method) for method, path in asked]
    face.core.client("known")
    secret = face.core.client_secret("known")
    given.append(face.http.post("/oauth/introspect", auth=("known", secret), data={"token": "lk_pat_x"}))
    assert given[-1].status_code == 200
    return given


@pytest.mark.asvs("3.2.1", "3.4.1", "3.4.3", "3.4.4", "3.4.5", "3.4.6")
@pytest.mark.contract("every answer has its security headers, and none that name the software")
def test_every_answer_says_how_it_may_be_used(answers: list[TestResponse]) -> None:
    for answer in answers:
        said, asked = answer.headers, answer.request.path
        assert said["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains", asked
        assert said["X-Content-Type-Options"] == "nosniff" and said["Referrer-Policy"] == "no-referrer", asked
        policy = said["Content-Security-Policy"]
        for directive in ("default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'"):
            assert directive in policy, asked
        assert "unsafe" not in policy.replace("style-src 'self' 'unsafe-inline'", "") or asked == "/api/docs", asked


@pytest.mark.asvs("3.4.1")
def test_without_https_nothing_is_promised_of_it(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = application(settings_in(tmp_path_factory.mktemp("plain") / "instance", monkeypatch))
    for path in ("/healthz", "/login"):
        assert "Strict-Transport-Security" not in app.test_client().get(path).headers


@pytest.mark.asvs("3.4.2")
@pytest.mark.contract("every answer has its security headers, and none that name the software")
def test_no_other_origin_may_read_an_answer_but_the_public_documents(face: Face, answers: list[TestResponse]) -> None:
    opened = {answer.request.path for answer in answers if answer.status_code == 200 and _cors(answer)}
    assert opened == set(PUBLIC)
    for answer in answers:
        assert _cors(answer) in ([], [TO_ALL] if answer.request.path.startswith(PUBLIC) else []), answer.request
    for method, path in (("OPTIONS", "/oauth/token"), ("GET", "/api/v1/openapi.json"), ("POST", "/oauth/introspect")):
        sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        assert _cors(face.http.open(path, method=method, headers=sent)) == []
    for path in PUBLIC:
        assert _cors(face.http.get(path, headers=sent)) == [TO_ALL]
        assert "Set-Cookie" not in face.http.get(path, headers=sent).headers


@pytest.mark.asvs("4.1.1")
def test_each_body_is_of_the_type_it_says(answers: list[TestResponse]) -> None:
    for answer in answers:
        kind, asked = answer.content_type or "", f"{answer.request.method} {answer.request.path}"
        if not answer.data:
            continue
        if kind.startswith("text/"):
            assert "charset=utf-8" in kind.lower(), asked
            answer.data.decode("utf-8")
        elif kind.startswith("image/svg+xml"):
            assert answer.data.startswith(b"<svg "), asked
        else:
            of_scim = answer.request.path.startswith("/scim/")
            assert answer.mimetype in (SCIM_BODIES if of_scim else JSON_BODIES), asked
            json.loads(answer.data)
        assert answer.data.lstrip().startswith((b"<!doctype", b"<!DOCTYPE")) == (answer.mimetype == "text/html"), asked


@pytest.mark.asvs("3.7.2", "4.1.2", "4.1.3")
def test_no_address_is_made_of_what_the_caller_says(http: FlaskClient) -> None:
    lies = {
        "Host": "evil.example",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "Forwarded": "host=evil.example;proto=http",
        "X-Original-URL": "/healthz",
        "X-Rewrite-URL": "/healthz",
        "X-HTTP-Method-Override": "DELETE",
    }
    for path in ("/", "/login", "/account", "/console", "/healthz", "/.well-known/oauth-authorization-server"):
        honest, lied = http.get(path), http.get(path, headers=lies)
        assert lied.status_code == honest.status_code
        assert "evil.example" not in lied.text + str(lied.headers)
        assert not lied.headers.get("Location", "/").startswith(("http", "//"))
    assert http.get("/healthz", base_url="http://login.example").status_code == 200  # never led on to https


@pytest.mark.asvs("3.5.4", "13.2.5", "13.4.1", "13.4.3")
@pytest.mark.contract("every answer has its security headers, and none that name the software")
def test_nothing_but_what_is_meant_is_served(http: FlaskClient) -> None:
    for path in HIDDEN.split(" "):
        answer = http.get(path)
        assert answer.status_code in (303, 404, 405), path
        assert not answer.headers.get("Location", "").startswith("/assets"), path


@pytest.mark.contract("every answer has its security headers, and none that name the software")
def test_no_answer_names_what_it_is_made_with(answers: list[TestResponse]) -> None:
    for answer in answers:
        assert "Server" not in answer.headers and "X-Powered-By" not in answer.headers
        assert not VERSIONS.search(str(answer.headers))
        if answer.status_code >= 400:
            assert not VERSIONS.search(answer.text)


@pytest.mark.asvs("13.4.2")
def test_nobody_turns_debugging_on(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    monkeypatch.setenv("FLASK_ENV", "development")
    app = application(settings_in(tmp_path_factory.mktemp("debug") / "instance", monkeypatch))
    assert not app.debug and not app.testing
    assert app.config["PROPAGATE_EXCEPTIONS"] is None
    answer = app.test_client().get("/boom/bug")
    assert answer.status_code == 500 and "Traceback" not in answer.text and "ValueError" not in answer.text


@pytest.mark.asvs("13.4.5")
def test_the_balancer_keeps_the_metrics_to_itself() -> None:
    recipe = (ROOT / "scripts/gateways/haproxy.cfg").read_text(encoding="utf-8")
    assert "deny deny_status 404 if { path,url_dec -m end /metrics }" in recipe


def _cors(answer: TestResponse) -> list[tuple[str, str]]:
    return [(name, value) for name, value in answer.headers if name.lower().startswith("access-control-")]
