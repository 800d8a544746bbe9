"""Resources, roles, users: how they are created, and what a change does to the others."""

from itertools import pairwise
from typing import Any
from urllib.parse import quote

import pytest

from app.maintenance.bootstrap import PERMISSIONS
from tests.core import ORDERS
from tests.management.face import OWN, PASSWORD, Face
from tests.management.test_requests import fields, problem


def resource(face: Face, admin: str, identifier: str, *permissions: str, **public: bool) -> Any:
    listed = [{"name": name} for name in permissions] + [{"name": n, "public": p} for n, p in public.items()]
    return face.create("/resources", {"identifier": identifier, "name": "a", "permissions": listed}, admin)


@pytest.mark.parametrize(
    "identifier",
    [
        "orders",
        "/orders",
        "https://",
        "https:orders",
        "https:///orders",
        "https://api.example/#f",
        "https://api.example/#",
        "https://a b",
        "https://ä.example",
        "https://api.example/%zz",
        "https://user@api.example",
        "https://[::1",
        "https://api.example:port",
        "1https://api.example",
        "https://api.example/" + "x" * 500,
        'https://api.example/"',
        "https://api.example/\\",
    ],
)
def test_an_identifier_is_an_absolute_uri_without_fragment(face: Face, admin: str, identifier: str) -> None:
    body = {"identifier": identifier, "name": "a"}
    assert fields(face.call("POST", "/resources", admin, json=body)) == {"identifier"}


@pytest.mark.parametrize(
    "identifier",
    [
        "https://api.example/a?b=c",
        "http://[::1]:8080/a",
        "urn:example:orders",
        "tag:example,2030:x",
        "https://a%20b.example/",
    ],
)
def test_any_absolute_uri_is_accepted(face: Face, admin: str, identifier: str) -> None:
    made = resource(face, admin, identifier)
    found = face.call("GET", "/resources", admin, query_string={"identifier": identifier}).json
    assert found["items"] == [made]


@pytest.mark.contract("`/resources`: fields, default lifetime")
def test_only_the_given_fields_of_a_resource_change(face: Face, admin: str) -> None:
    made = resource(face, admin, "https://changed.example", "changed:read")
    path = f"/resources/{made['id']}"
    changes = {"identifier": "https://moved.example", "access_token_ttl": 60}
    assert face.call("PATCH", path, admin, json=changes).json == made | changes
    problem(face.call("PATCH", path, admin, json={"identifier": ORDERS}), 409)
    assert fields(face.call("PATCH", path, admin, json={"permissions": []})) == {"permissions"}


def test_scope_names_are_unique_on_the_whole_server(face: Face, admin: str) -> None:
    body = {"identifier": "https://twice.example", "name": "t", "permissions": [{"name": "orders:read"}]}
    assert "scope names" in problem(face.call("POST", "/resources", admin, json=body), 409)["detail"]
    body["permissions"] = [{"name": "same"}, {"name": "same"}]
    problem(face.call("POST", "/resources", admin, json=body), 409)
    assert (
        "identifier"
        in problem(face.call("POST", "/resources", admin, json={"identifier": ORDERS, "name": "x"}), 409)["detail"]
    )


@pytest.mark.contract("a permission's name is the scope string")
@pytest.mark.parametrize("name", ["a b", 'a"b', "a\\b", "ä", "", "a\tb", ".", "..", "a/..", "../b", "a/./b"])
def test_a_permission_is_a_scope_token(face: Face, admin: str, name: str) -> None:
    path = f"/resources/{face.core.row_id(ORDERS)}/permissions"
    assert fields(face.call("POST", path, admin, json={"name": name})) == {"name"}


@pytest.mark.parametrize("name", ["a/b", "/a", "a//b/", "a?b", "a#b", "a%2Fb", "a:b", "...", "a..b", "!", "x" * 200])
def test_every_permission_name_has_a_path(face: Face, admin: str, name: str) -> None:
    made = resource(face, admin, f"https://place.example/{quote(name, safe='')}")
    path = f"/resources/{made['id']}/permissions"
    response = face.call("POST", path, admin, json={"name": name})
    place = response.headers["Location"].removeprefix(OWN)
    assert face.call("GET", place, admin).json == {"name": name, "description": "", "public": False}
    assert face.call("PATCH", place, admin, json={"public": True}).json["public"] is True
    assert face.call("DELETE", place, admin).status_code == 204
    problem(face.call("GET", place, admin), 404)


def test_a_renamed_permission_keeps_its_roles(face: Face, admin: str) -> None:
    made = resource(face, admin, "https://renamed.example", "old:name")
    role = face.create("/roles", {"name": "renamed", "type": "user", "permissions": ["old:name"]}, admin)
    path = f"/resources/{made['id']}/permissions/old:name"
    assert face.call("PATCH", path, admin, json={"name": "new:name"}).json["name"] == "new:name"
    assert face.call("GET", f"/roles/{role['id']}", admin).json["permissions"] == ["new:name"]
    path = path.replace("old", "new")
    problem(face.call("PATCH", path, admin, json={"name": "orders:read"}), 409)
    assert fields(face.call("PATCH", path, admin, json={"name": "a b"})) == {"name"}


def test_permissions_come_in_pages(face: Face, admin: str) -> None:
    made = resource(face, admin, "https://pages.example", *(f"page:{n}" for n in range(5)))
    path, names, cursor = f"/resources/{made['id']}/permissions?limit=2", [], ""
    while True:
        page = face.call("GET", path + cursor, admin).json
        names += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert sorted(names) == [f"page:{n}" for n in range(5)]


def test_the_management_api_keeps_its_identifier_and_permissions(face: Face, admin: str) -> None:
    own = f"/resources/{face.core.row_id(OWN)}"
    for method, path, body in (
        ("DELETE", own, None),
        ("PATCH", own, {"identifier": "https://elsewhere.example"}),
        ("POST", f"{own}/permissions", {"name": "more"}),
        ("PATCH", f"{own}/permissions/manage", {"public": True}),
        ("DELETE", f"{own}/permissions/manage", None),
    ):
        problem(face.call(method, path, admin, json=body), 409)
    changed = face.call("PATCH", own, admin, json={"access_token_ttl": 600, "identifier": OWN}).json
    assert changed["access_token_ttl"] == 600 and {p["name"] for p in changed["permissions"]} == set(PERMISSIONS)
    problem(face.call("PATCH", own, face.machine("resources:write"), json={"name": "mine"}), 403)


def test_the_keys_of_a_deleted_resource_are_revoked_and_say_why(face: Face, admin: str) -> None:
    made = resource(face, admin, "https://doomed.example", doomed=True)
    key = face.create("/api-keys", {"name": "k", "resource": "https://doomed.example"}, admin)
    assert face.call("DELETE", f"/resources/{made['id']}", admin).status_code == 204
    shown = face.call("GET", f"/api-keys/{key['id']}", admin).json
    assert (shown["status"], shown["resource"], shown["scopes"]) == ("revoked", None, [])
    assert "resource" in shown["revoked_reason"]
    trace = face.call("GET", "/audit-events", admin, query_string={"target": key["id"]}).json["items"]
    assert [event["action"] for event in trace] == ["api_key.revoke", "api_key.create"]


@pytest.mark.contract("the audit commands exit by their result, the API shows the hashes")
def test_each_audit_event_shows_its_hash_and_that_of_the_one_before(face: Face, admin: str) -> None:
    resource(face, admin, "https://chained.example", chained=True)
    trace = face.call("GET", "/audit-events", admin).json["items"]
    assert len(trace) > 1 and len({event["hash"] for event in trace}) == len(trace)
    for event, before in pairwise(trace):
        assert event["previous_hash"] == before["hash"] and len(before["hash"]) == 64


@pytest.mark.contract("`/roles`")
def test_a_role_takes_known_permissions_and_keeps_its_type(face: Face, admin: str) -> None:
    body = {"name": "typed", "type": "user", "permissions": ["orders:read", "nothing:here"]}
    response = face.call("POST", "/roles", admin, json=body)
    assert fields(response) == {"permissions"} and "nothing:here" in response.text
    made = face.create("/roles", body | {"permissions": ["orders:read", "orders:read"]}, admin)
    assert made["permissions"] == ["orders:read"]
    assert fields(face.call("PATCH", f"/roles/{made['id']}", admin, json={"type": "machine"})) == {"type"}
    found = face.call("GET", "/roles?name=typed&type=user", admin).json["items"]
    assert found == [made]
    assert face.call("GET", "/roles?name=typed&type=machine", admin).json["items"] == []


@pytest.mark.contract("user roles to users, machine roles to clients")
def test_roles_are_assigned_only_to_their_type(face: Face, admin: str) -> None:
    for name, type in (("for-users", "user"), ("for-machines", "machine")):
        face.create("/roles", {"name": name, "type": type}, admin)
    for path, body, wrong in (
        ("/users", {"username": "typed"}, "for-machines"),
        ("/clients", {"name": "typed"}, "for-users"),
    ):
        for role in (wrong, "unheard-of"):
            response = face.call("POST", path, admin, json=body | {"roles": [role]})
            assert fields(response) == {"roles"} and role in response.text


@pytest.mark.contract("`/users`")
@pytest.mark.parametrize(
    "username",
    [
        "a:b",
        "a b",
        "",
        "-a",
        ".a",
        "a/b",
        "x" * 101,
        "\x00",
        "a\n",
        None,
        "a\u200bb",
        "ann\u0430",
        "\u03c1aul",
        "\u2160",
        " ",
    ],
)
def test_a_username_has_only_plain_characters(face: Face, admin: str, username: str) -> None:
    assert fields(face.call("POST", "/users", admin, json={"username": username})) == {"username"}


@pytest.mark.spec("RFC 8265 §3.3")
def test_usernames_that_look_alike_are_the_same(face: Face, admin: str) -> None:
    for first, others in {
        "Émile": ("e\u0301mile", "ÉMILE"),
        "wide": ("ｗｉｄｅ", " WIDE "),
        "ΑΣ": ("ασ", "Ας"),
    }.items():
        made = face.create("/users", {"username": first, "password": PASSWORD}, admin)
        assert made["username"] == first
        for other in others:
            problem(face.call("POST", "/users", admin, json={"username": other}), 409)
            assert face.call("GET", "/users", admin, query_string={"username": other}).json["items"] == [made]
            assert face.me(other).json["id"] == made["id"]


def test_usernames_that_differ_by_case_are_the_same(face: Face, admin: str) -> None:
    made = face.create("/users", {"username": "Ann-Marie", "password": PASSWORD}, admin)
    problem(face.call("POST", "/users", admin, json={"username": "ann-marie"}), 409)
    other = face.create("/users", {"username": "josé"}, admin)
    problem(face.call("PATCH", f"/users/{other['id']}", admin, json={"username": "ANN-MARIE"}), 409)
    assert face.me("ann-MARIE").json["username"] == "Ann-Marie"
    assert face.call("GET", "/users?username=ANN-marie", admin).json["items"] == [made]


@pytest.mark.contract("`/users`")
def test_an_email_address_is_valid_and_unique(face: Face, admin: str) -> None:
    made = face.create("/users", {"username": "mailed", "email": "a@example.com"}, admin)
    response = face.call("POST", "/users", admin, json={"username": "mailed2", "email": "a@example.com"})
    assert "email" in problem(response, 409)["detail"]
    for wrong in ("a", "a@", "@b", "a b@c", "a@b@c", "", "x" * 250 + "@example.com"):
        assert fields(face.call("PATCH", f"/users/{made['id']}", admin, json={"email": wrong})) == {"email"}
    assert face.call("PATCH", f"/users/{made['id']}", admin, json={"email": None}).json["email"] is None
    face.create("/users", {"username": "mailed2", "email": "a@example.com"}, admin)


@pytest.mark.asvs("6.2.1")
@pytest.mark.contract("a password: 12 characters, not a common one")
@pytest.mark.parametrize("password", ["short", "password1234", "Password1234!", "x" * 201, "my-own-username", None])
def test_a_password_is_long_and_uncommon(face: Face, admin: str, password: str | None) -> None:
    body = {"username": "my-own-username", "password": password}
    assert fields(face.call("POST", "/users", admin, json=body)) == {"password"}


def test_a_user_without_a_password_cannot_sign_in(face: Face, admin: str) -> None:
    made = face.create("/users", {"username": "silent"}, admin)
    assert face.me("silent", "").status_code == 401
    face.call("PATCH", f"/users/{made['id']}", admin, json={"password": "one password of mine"})
    assert face.me("silent", "one password of mine").status_code == 200
    face.call("PATCH", f"/users/{made['id']}", admin, json={"enabled": False})
    assert face.me("silent", "one password of mine").status_code == 401


def test_a_change_of_a_user_is_traced_without_its_values(face: Face, admin: str) -> None:
    made = face.create("/users", {"username": "traced"}, admin)
    face.call("PATCH", f"/users/{made['id']}", admin, json={"password": PASSWORD, "display_name": "T"})
    trace = face.call("GET", "/audit-events", admin, query_string={"target": made["id"]})
    newest = trace.json["items"][0]
    assert newest["action"] == "user.update" and newest["details"]["changed"] == ["password", "display_name"]
    assert PASSWORD not in trace.text


def test_deleting_a_user_deletes_their_tokens(face: Face, admin: str) -> None:
    username = face.person("roles:read")
    token = face.core.pat(username, "roles:read")[1]
    assert face.call("DELETE", f"/users/{face.core.row_id(username)}", admin).status_code == 204
    assert face.call("GET", "/roles", token).status_code == 401
