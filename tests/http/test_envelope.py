"""Every answer has an id, safe headers and one log line without secrets; no exception escapes."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.operations.application import JWT, SECRET, application, settings_in


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    with pytest.MonkeyPatch.context() as patch:
        settings = settings_in(tmp_path_factory.mktemp("envelope") / "instance", patch, log_level="debug")
        yield application(settings).test_client()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.asvs("3.2.1", "14.3.2")
@pytest.mark.contract("`X-Request-Id` on each answer")
@pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/api/v1/nowhere", "/oauth/token", "/boom/bug", "/metrics"])
def test_every_answer_carries_a_request_id_and_safe_headers(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert re.fullmatch(r"[0-9a-f]{24}", headers["X-Request-Id"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.asvs("14.3.2")
def test_what_is_cacheable_stays_so(client: FlaskClient) -> None:
    assert "no-store" not in client.get("/.well-known/jwks.json").headers["Cache-Control"]


@pytest.mark.parametrize("offered", ["a", "trace-1.2_3", "x" * 64])
def test_a_request_id_that_is_offered_is_taken(client: FlaskClient, offered: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": offered}).headers["X-Request-Id"] == offered


@pytest.mark.parametrize("offered", ["", "x" * 65, "a b", "é", '"', "a,b", "<script>"])
def test_one_of_another_shape_is_not(client: FlaskClient, offered: str) -> None:
    given = client.get("/healthz", headers={"X-Request-Id": offered}).headers["X-Request-Id"]
    assert re.fullmatch(r"[0-9a-f]{24}", given)


@pytest.mark.asvs("16.2.1", "16.2.2")
@pytest.mark.contract("one JSON line a request, with its id, never a secret")
def test_a_request_is_one_line(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.get("/readyz?token=hush", headers={"X-Request-Id": "mine"})
    [line] = lines(capsys)
    assert line.pop("time").endswith("Z")
    assert line.pop("duration_ms") >= 0
    assert line == {
        "event": "request",
        "level": "info",
        "request_id": "mine",
        "method": "GET",
        "path": "/readyz",
        "route": "/readyz",
        "status": 200,
        "remote_address": "127.0.0.1",
    }


@pytest.mark.asvs("16.2.5")
@pytest.mark.contract("one JSON line a request, with its id, never a secret")
@pytest.mark.parametrize("path", [f"/{SECRET}", f"/x/{JWT}", f"/nowhere?key={SECRET}", f"/api/v1/users/{SECRET}"])
def test_a_secret_in_the_url_is_not_logged(client: FlaskClient, capsys: pytest.CaptureFixture[str], path: str) -> None:
    client.get(path, headers={"Authorization": f"Bearer {SECRET}", "X-API-Key": SECRET})
    assert SECRET not in (text := capsys.readouterr().err)
    assert JWT not in text


@pytest.mark.both_databases
@pytest.mark.asvs("16.3.4", "16.5.1")
@pytest.mark.parametrize(
    ("path", "type_"), [("/boom/bug", "application/json"), ("/api/v1/boom", "application/problem+json")]
)
def test_a_bug_is_a_500_without_internals_and_a_line_without_values(
    client: FlaskClient, capsys: pytest.CaptureFixture[str], path: str, type_: str
) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content_type) == (500, type_)
    told = capsys.readouterr().err
    for hidden in ("a password in a local", SECRET):
        assert hidden not in answer.text
        assert hidden not in told
    assert "ValueError" not in answer.text
    if path == "/boom/bug":  # under /api/ a route that is not in the table does not even run
        assert any("builtins.ValueError" in line.get("exception", []) for line in map(json.loads, told.splitlines()))


@pytest.mark.both_databases
@pytest.mark.asvs("16.3.4", "16.5.2")
def test_a_database_that_is_away_is_a_503(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    answer = client.get("/boom/database")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert "digest" not in answer.text + capsys.readouterr().err


@pytest.mark.both_databases
def test_what_breaks_while_the_body_is_made_is_a_500_too(client: FlaskClient) -> None:
    answer = client.get("/boom/body")
    assert answer.status_code == 500
    assert answer.json == {"error": "server_error", "error_description": "something went wrong here"}


def test_a_body_of_more_than_a_mebibyte_is_refused(client: FlaskClient) -> None:
    assert client.post("/oauth/introspect", data={"token": "x" * (1024 * 1024 + 1)}).status_code == 413


@pytest.mark.asvs("4.1.2")
def test_two_slashes_do_not_redirect(client: FlaskClient) -> None:
    assert client.post("//oauth/token").status_code == 404


@pytest.mark.parametrize("path", ["/auth", "/auth/deep", "/oauth", "/api"])
def test_an_issuer_with_a_path_answers_at_the_root_and_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    settings = settings_in(tmp_path, monkeypatch, issuer=f"https://login.example{path}")
    client = application(settings).test_client()
    for prefix in ("", path):
        assert client.get(f"{prefix}/healthz").status_code == 200
        assert client.post(f"{prefix}/oauth/token").status_code == 400
        assert client.get(f"{prefix}/api/v1/users").status_code == 401
    metadata = client.get(f"/.well-known/oauth-authorization-server{path}")  # RFC 8414 §3.1
    assert metadata.get_json()["issuer"] == settings.issuer
    assert client.get(f"{path}/.well-known/oauth-authorization-server").status_code == 200
    assert client.get(f"{path}x/healthz").status_code == 404
