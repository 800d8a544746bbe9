"""How a request is read, and how a bad one is refused: always with a problem of RFC 9457."""

import json
from typing import Any

import pytest

from app import MAX_BODY
from tests.management.face import Face

JSON = {"Content-Type": "application/json"}


def problem(response: Any, status: int) -> Any:
    """Assert a problem of RFC 9457 and give it."""
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    assert {"type", "title", "status", "detail"} <= set(response.json)
    assert response.json["status"] == status
    return response.json


def fields(response: Any) -> set[str]:
    """Assert a 422 and name the fields that it complains of."""
    return {error["field"] for error in problem(response, 422)["errors"]}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"name": "a", "name": "b"}',
        b'{"name": NaN}',
        b'{"name": -Infinity}',
        b'{"name": 1e999}',
        b'{"name": ' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b"\xef\xbb\xbf{}",
        b'{"name": "\xc3"}',
        b"\xff\xfe{\x00}\x00",
    ],
)
def test_what_two_readers_could_read_differently_is_malformed(face: Face, admin: str, body: bytes) -> None:
    problem(face.call("POST", "/roles", admin, data=body, headers=JSON), 400)


@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("body", [[], "x", 7, None, True, [{"name": "x"}]])
def test_a_body_must_be_an_object(face: Face, admin: str, body: object) -> None:
    problem(face.call("POST", "/roles", admin, data=json.dumps(body), headers=JSON), 422)


@pytest.mark.asvs("3.5.2")
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/xml"])
def test_only_json_is_read(face: Face, admin: str, kind: str) -> None:
    problem(face.call("POST", "/roles", admin, data=b"{}", headers={"Content-Type": kind}), 415)
    problem(face.call("POST", "/roles", admin, data=b'{"name": "x"}', headers={"Content-Type": ""}), 415)


def test_a_charset_changes_nothing(face: Face, admin: str) -> None:
    header = {"Content-Type": "application/json; charset=latin-1"}
    body = '{"name": "größe", "type": "user"}'.encode()
    assert face.call("POST", "/roles", admin, data=body, headers=header).json["name"] == "größe"


def test_a_body_that_is_too_large_is_not_read(face: Face, admin: str) -> None:
    problem(face.call("POST", "/roles", admin, data=b" " * (MAX_BODY + 1), headers=JSON), 413)


@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize(
    "name", ["", " ", "\t", "a\x00b", "a\x1bb", "a\nb", "\ud800", "x" * 201, 7, None, True, [], {}]
)
def test_a_name_is_plain_text(face: Face, admin: str, name: object) -> None:
    assert fields(face.call("POST", "/roles", admin, json={"name": name, "type": "user"})) == {"name"}


def test_a_description_may_have_lines(face: Face, admin: str) -> None:
    body = {"name": "lines", "type": "user", "description": "one\ntwo"}
    assert face.create("/roles", body, admin)["description"] == "one\ntwo"
    assert fields(face.call("POST", "/roles", admin, json=body | {"description": "a\x00"})) == {"description"}


@pytest.mark.parametrize("value", ["true", 1, 0, None, "", "yes"])
def test_a_flag_is_true_or_false(face: Face, admin: str, value: object) -> None:
    body = {"username": "flagged", "enabled": value}
    assert fields(face.call("POST", "/users", admin, json=body)) == {"enabled"}


@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("value", ["3600", True, 3600.0, None, -1, 10**30, [3600]])
def test_a_number_is_a_whole_number(face: Face, admin: str, value: object) -> None:
    body = {"identifier": "https://n.example", "name": "n", "access_token_ttl": value}
    assert fields(face.call("POST", "/resources", admin, json=body)) == {"access_token_ttl"}


@pytest.mark.parametrize("value", [{"manage": 1}, "manage", None, [7], [None], [["manage"]], ["x"] * 501])
def test_a_list_is_a_list_of_strings(face: Face, admin: str, value: object) -> None:
    named = fields(face.call("POST", "/roles", admin, json={"name": "l", "type": "user", "permissions": value}))
    assert {name.split(".")[0] for name in named} == {"permissions"}


@pytest.mark.parametrize(
    "moment",
    [
        "2031-01-01",
        "2031-01-01T00:00:00",
        "2031-13-01T00:00:00Z",
        "2031-01-01T25:00:00Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        "٢٠٣١-01-01T00:00:00Z",
        1924988400,
        True,
        "",
        "now",
    ],
)
def test_a_time_is_rfc_3339_with_its_offset(face: Face, admin: str, moment: object) -> None:
    body = {"name": "k", "resource": "https://api.example/orders", "expires_at": moment}
    assert fields(face.call("POST", "/api-keys", admin, json=body)) == {"expires_at"}


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("2031-01-01T02:00:00+02:00", "2031-01-01T00:00:00Z"),
        ("2031-01-01t00:00:00.5z", "2031-01-01T00:00:00.500000Z"),
        ("2031-01-01T00:00:00.123456789Z", "2031-01-01T00:00:00.123456Z"),
    ],
)
def test_a_time_comes_back_in_utc(face: Face, admin: str, sent: str, shown: str) -> None:
    body = {"name": "k", "resource": "https://api.example/orders", "expires_at": sent}
    assert face.create("/api-keys", body, admin)["expires_at"] == shown


@pytest.mark.asvs("2.2.1")
def test_every_wrong_field_is_named_at_once(face: Face, admin: str) -> None:
    body = {"identifier": 1, "access_token_ttl": 1, "permissions": [{"name": "ok"}, {"public": 1}], "x" * 300: 1}
    named = fields(face.call("POST", "/resources", admin, json=body))
    wanted = {"identifier", "name", "access_token_ttl", "permissions.1.name", "permissions.1.public", "x" * 100}
    assert named == wanted


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=201", "limit=%31%00", "limit=1&limit=2", "limit=", "limit=+5", "limit=٥", "limit=1e1"),
        *("cursor=x", "cursor=", "cursor=%00", "cursor=Jw", "cursor=cm9sZV8x=", "cursor=" + "x" * 5000),
        *("colour=red", "name=%00", "name=a&name=b", "type=both", "name=" + "x" * 300, "name[]=x"),
    ],
)
def test_a_query_is_read_as_strictly_as_a_body(face: Face, admin: str, query: str) -> None:
    assert fields(face.call("GET", f"/roles?{query}", admin))


@pytest.mark.parametrize("cursor", ["cm9sZV8x", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
def test_the_cursor_of_another_list_is_refused(face: Face, admin: str, cursor: str) -> None:
    assert fields(face.call("GET", f"/audit-events?cursor={cursor}", admin)) == {"cursor"}


@pytest.mark.parametrize(
    "path", ["/roles/%00", "/roles/a%2Fb", "/roles/ä", "/roles/" + "x" * 9000, "//roles", "/roles/"]
)
def test_a_malformed_id_is_not_found(face: Face, admin: str, path: str) -> None:
    problem(face.call("GET", path, admin), 404)


@pytest.mark.contract("flask-smorest rewrites error bodies, drops `WWW-Authenticate` and `Allow`")
def test_a_wrong_method_is_answered_with_the_allowed_ones(face: Face, admin: str) -> None:
    response = face.call("PUT", "/audit-events", admin, json={})
    problem(response, 405)
    assert set(response.headers["Allow"].split(", ")) == {"GET", "HEAD"}


def test_head_is_get_without_the_body(face: Face, admin: str) -> None:
    response = face.call("HEAD", "/roles", admin)
    assert response.status_code == 200 and response.data == b""
    assert face.call("HEAD", "/roles").status_code == 401


@pytest.mark.contract("flask-smorest rewrites error bodies, drops `WWW-Authenticate` and `Allow`")
def test_paths_outside_the_api_are_left_alone(face: Face) -> None:
    assert face.http.get("/nowhere").content_type != "application/problem+json"
    assert face.http.get("/api/nowhere").content_type == "application/problem+json"


@pytest.mark.asvs("16.5.1")
def test_an_internal_error_reveals_nothing(face: Face, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("lk_pat_ secret inside")

    monkeypatch.setattr(type(face.core.actions.roles), "page", fail)
    response = face.call("GET", "/roles", admin)
    assert "inside" not in json.dumps(problem(response, 500))


def test_a_missing_audit_head_prevents_changes_with_503(own_face: Face) -> None:
    token = own_face.machine("manage")
    own_face.core.database.execute("DELETE FROM audit_head")
    response = own_face.call("POST", "/roles", token, json={"name": "untraced", "type": "user"})
    assert "audit" not in json.dumps(problem(response, 503)) and response.headers["Retry-After"]
    assert own_face.core.actions.roles.page(1, name="untraced")[0] == []


def test_a_deletion_is_answered_without_a_body(face: Face, admin: str) -> None:
    role = face.create("/roles", {"name": "gone", "type": "user"}, admin)
    response = face.call("DELETE", f"/roles/{role['id']}", admin)
    assert (response.status_code, response.data) == (204, b"")
    assert "Content-Type" not in response.headers


@pytest.mark.asvs("14.2.2")
def test_answers_must_not_be_cached(face: Face, admin: str) -> None:
    for response in (face.call("GET", "/roles", admin), face.call("GET", "/roles"), face.me("nobody")):
        assert "no-store" in response.headers["Cache-Control"]


def test_a_leak_report_accepts_any_strings(face: Face) -> None:
    strange = ["", "\x00", "\ud800", "a.b.c", "x" * 100_000, "lk_sec_" + 38 * "0", "é"]
    assert face.call("POST", "/credentials/revoke", json={"credentials": strange}).status_code == 202
    for wrong in ([], ["x"] * 1001, "x", [7], [None], {"x": 1}):
        problem(face.call("POST", "/credentials/revoke", json={"credentials": wrong}), 422)


def test_inspecting_accepts_any_string(face: Face) -> None:
    reader = face.machine("tokens:read")
    for strange in ("", "\x00", "\ud800", "a.b.c", "x" * 100_000, "lk_sec_" + 38 * "0"):
        assert face.call("POST", "/credentials/inspect", reader, json={"credential": strange}).status_code == 200
    assert fields(face.call("POST", "/credentials/inspect", reader, json={"credential": 7})) == {"credential"}
