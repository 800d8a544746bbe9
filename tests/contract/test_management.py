"""Section 4: the rules of the whole management API."""

import itertools
import re
from typing import Any

import httpx
import pytest

from tests.api import Admin, Json, expect, permission, unique
from tests.contract.refusals import challenge, invalid, problem
from tests.contract.world import World, create_world

LISTS = ("/resources", "/roles", "/users", "/clients", "/api-keys", "/signing-keys", "/audit-events")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
JSON = {"Content-Type": "application/json"}
READ_SCOPES = {
    "/resources": "resources:read",
    "/roles": "roles:read",
    "/users": "users:read",
    "/clients": "clients:read",
    "/api-keys": "api-keys:read",
    "/signing-keys": "keys:read",
    "/audit-events": "audit:read",
}


def walk(admin: Admin, path: str, limit: int, **query: Any) -> list[Json]:
    """Return all items of a list, page by page."""
    items: list[Json] = []
    cursor: dict[str, str] = {}
    for _ in range(500):
        page = expect(200, admin.get(path, params={"limit": limit} | query | cursor)).json()
        assert set(page) == {"items", "next_cursor"} and len(page["items"]) <= limit
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the cursors never end")


def bodies(world: World) -> dict[str, Json]:
    """Return a valid body for each collection that accepts POST."""
    return {
        "/resources": {"identifier": f"https://{unique('api')}.example/", "name": unique("api"), "permissions": []},
        "/roles": {"name": unique("role"), "type": "user", "permissions": []},
        "/users": {"username": unique("user"), "password": "correct horse battery staple"},
        "/clients": {"name": unique("client")},
        "/api-keys": {"name": unique("key"), "resource": world.identifier},
    }


@pytest.mark.contract("lists: `items` and `next_cursor`, 50 by default, 200 at most")
@pytest.mark.parametrize("path", LISTS)
def test_a_list_is_items_and_a_cursor(admin: Admin, path: str) -> None:
    page = expect(200, admin.get(path)).json()
    assert set(page) == {"items", "next_cursor"} and len(page["items"]) <= 50


@pytest.mark.contract("a `limit` out of range is 422")
@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "", "1.5", "99999999999999999999", "1e2"])
def test_a_limit_out_of_range_is_422(admin: Admin, path: str, limit: str) -> None:
    invalid(admin.get(path, params={"limit": limit}), "limit")


@pytest.mark.parametrize("path", LISTS)
def test_an_unknown_cursor_is_a_clean_4xx(admin: Admin, path: str) -> None:
    for cursor in ("x", "%00", "'", "x" * 3000, "ä", "999999999999999999999"):
        assert admin.get(path, params={"cursor": cursor}).status_code in (200, 400, 422)


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("lists: `items` and `next_cursor`, 50 by default, 200 at most")
def test_the_default_limit_is_fifty_and_two_hundred_the_most(admin: Admin) -> None:
    for _ in range(51):
        admin.role("user")
    assert len(admin.get("/roles").json()["items"]) == 50
    assert len(admin.get("/roles", params={"limit": 200}).json()["items"]) > 50


@pytest.mark.contract("lists: `items` and `next_cursor`, 50 by default, 200 at most")
@pytest.mark.parametrize("path", ["/resources", "/roles", "/users", "/clients", "/api-keys"])
def test_the_cursors_lead_past_everything_once(world: World, path: str) -> None:
    made = [world.admin.create(path, bodies(world)[path])["id"] for _ in range(3)]
    ids = [item["id"] for item in walk(world.admin, path, 2)]
    assert len(ids) == len(set(ids)) and set(made) <= set(ids)


def test_a_walk_goes_on_while_things_are_made_and_deleted(admin: Admin) -> None:
    roles = [admin.role("user")["id"] for _ in range(4)]
    first = admin.get("/roles", params={"limit": 2}).json()
    admin.remove(f"/roles/{roles[0]}")
    admin.role("user")
    expect(200, admin.get("/roles", params={"limit": 2, "cursor": first["next_cursor"]}))


@pytest.mark.contract("201 with `Location`, 204, PATCH changes what is named")
@pytest.mark.parametrize("path", ["/resources", "/roles", "/users", "/clients", "/api-keys"])
def test_post_answers_201_and_where_it_is(world: World, path: str) -> None:
    response = expect(201, world.admin.post(path, bodies(world)[path]))
    location = response.headers["Location"]
    assert location.endswith(f"/api/v1{path}/{response.json()['id']}")
    fetched = httpx.URL(location).path
    same = expect(200, world.admin.http.get(fetched, headers={"Authorization": f"Bearer {world.admin.token()}"})).json()
    once = {"client_secret", "key"}
    assert {k: v for k, v in response.json().items() if k not in once} == {
        k: v for k, v in same.items() if k not in once
    }
    assert UTC.fullmatch(same["created_at"])


@pytest.mark.contract("201 with `Location`, 204, PATCH changes what is named")
@pytest.mark.parametrize("path", ["/resources", "/roles", "/users", "/clients", "/api-keys"])
def test_patch_changes_what_is_named_and_delete_answers_204(world: World, path: str) -> None:
    made = world.admin.create(path, bodies(world)[path])
    one, field = f"{path}/{made['id']}", "display_name" if path == "/users" else "name"
    value = unique("renamed")
    changed = world.admin.change(one, {field: value})
    assert changed[field] == value
    kept = {name for name in changed if name not in (field, "updated_at")}
    assert {name: changed[name] for name in kept} == {name: made[name] for name in kept}
    assert expect(204, world.admin.delete(one)).content == b""


@pytest.mark.parametrize("path", ["/resources", "/roles", "/users", "/clients"])
def test_what_is_deleted_is_gone(world: World, path: str) -> None:
    one = f"{path}/{world.admin.create(path, bodies(world)[path])['id']}"
    world.admin.remove(one)
    for response in (world.admin.get(one), world.admin.delete(one), world.admin.patch(one, {})):
        problem(response, 404)


@pytest.mark.contract("unknown fields are refused", "400, 415, 409")
@pytest.mark.parametrize("path", ["/resources", "/roles", "/users", "/clients", "/api-keys"])
def test_each_way_of_sending_nonsense_has_its_status(world: World, path: str) -> None:
    admin, body = world.admin, bodies(world)[path]
    for broken in (b"{", b"", b"nope", b'{"a":}', b"\xff\xfe", b'{"name": "\xff"}'):
        problem(admin.request("POST", path, content=broken, headers=JSON), 400)
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "application/xml"):
        problem(admin.request("POST", path, content=b"{}", headers={"Content-Type": content_type}), 415)
    invalid(admin.post(path, body | {"surprise": 1}), "surprise")
    for other in ([], "x", 7, None, [body]):
        assert admin.post(path, other).status_code in (400, 422)
    for name in body:
        assert admin.post(path, body | {name: {"not": ["this"]}}).status_code == 422


@pytest.mark.asvs("8.2.3")
@pytest.mark.contract("unknown fields are refused")
def test_a_patch_refuses_unknown_fields_too(world: World) -> None:
    for path in (f"/users/{world.user.id}", f"/clients/{world.client.id}", f"/resources/{world.resource['id']}"):
        invalid(world.admin.patch(path, {"surprise": 1}), "surprise")


@pytest.mark.contract("400, 415, 409")
def test_a_duplicate_is_409(world: World) -> None:
    admin, body = world.admin, bodies(world)
    for path in ("/resources", "/roles", "/users"):
        admin.create(path, body[path])
        problem(admin.post(path, body[path]), 409)
    path = f"/resources/{world.resource['id']}/permissions"
    problem(admin.post(path, permission(world.read)), 409)
    other = admin.role("user")
    problem(admin.patch(f"/roles/{other['id']}", {"name": world.user_role["name"]}), 409)


@pytest.mark.contract("`X-Request-Id` on each answer")
def test_each_answer_carries_a_request_id_of_its_own(admin: Admin) -> None:
    answers = [admin.get("/roles"), admin.get("/roles", auth=False), admin.get("/nowhere"), admin.post("/roles", {})]
    answers.append(admin.delete(f"/roles/{admin.role('user')['id']}"))
    ids = [answer.headers["X-Request-Id"] for answer in answers]
    assert all(ids) and len(set(ids)) == len(ids)


@pytest.mark.contract("the scope of each operation, `manage` for everything")
def test_each_operation_asks_for_the_scope_it_names(admin: Admin) -> None:
    for path, scope in READ_SCOPES.items():
        token = admin.m2m(admin.client([admin.role("machine", [scope])]))
        for other in READ_SCOPES:
            response = admin.get(other, auth=token)
            assert response.status_code == (200 if other == path else 403), (scope, other)
        if scope.split(":")[0] in ("resources", "roles", "users", "clients", "api-keys"):
            parameters = challenge(admin.post(path, {}, auth=token), 403)
            assert parameters["error"] == "insufficient_scope"
            assert parameters["scope"].split()[0] in (scope.replace("read", "write"), "manage")


def test_a_scope_is_checked_before_the_body_and_before_existence(admin: Admin) -> None:
    weak = admin.m2m(admin.client([admin.role("machine", ["audit:read"])]))
    problem(admin.request("POST", "/roles", content=b"{", headers=JSON, auth=weak), 403)
    problem(admin.get("/roles/unknown", auth=weak), 403)
    problem(admin.request("POST", "/roles", content=b"{", headers=JSON, auth=False), 401)


@pytest.mark.contract("a resource of its own, guarded by M2M tokens and PATs")
def test_the_management_api_is_a_resource_of_its_own(admin: Admin) -> None:
    mine = [r for r in walk(admin, "/resources", 200) if r["identifier"] == admin.identifier]
    assert len(mine) == 1
    names = {p["name"] for p in mine[0]["permissions"]}
    finer = itertools.product(
        ("resources", "roles", "users", "clients", "api-keys", "tokens", "keys"), ("read", "write")
    )
    assert {"manage", "introspect", "audit:read"} | {":".join(pair) for pair in finer} <= names
    problem(admin.delete(f"/resources/{mine[0]['id']}"), 409)
    problem(admin.delete(f"/resources/{mine[0]['id']}/permissions/manage"), 409)


@pytest.mark.contract("a resource of its own, guarded by M2M tokens and PATs")
def test_a_pat_guards_the_management_api_as_a_machine_token_does(admin: Admin) -> None:
    user = admin.user([admin.role("user", ["roles:read", "roles:write"])])
    pat = admin.pat(user, ["roles:read", "roles:write"])["token"]
    expect(200, admin.get("/roles", auth=pat))
    expect(201, admin.post("/roles", {"name": unique("role"), "type": "user", "permissions": []}, auth=pat))
    expect(403, admin.get("/users", auth=pat))


@pytest.mark.contract("a resource of its own, guarded by M2M tokens and PATs")
def test_an_api_key_never_guards_it(world: World) -> None:
    problem(world.admin.get("/roles", auth=world.issue("api_key").token), 401)


@pytest.mark.contract("OpenAPI 3.1 and its page")
def test_the_document_is_openapi_3_1_with_a_page(admin: Admin) -> None:
    document = expect(200, admin.http.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1.")
    wanted = ("/resources", "/resources/{", "/roles", "/users", "/clients", "/api-keys", "/me", "/credentials/revoke",
              "/signing-keys/rotate", "/audit-events", "/credentials/inspect")  # fmt: skip
    for path in wanted:
        assert [known for known in document["paths"] if path in known], path
    page = expect(200, admin.http.get("/api/docs", follow_redirects=True))
    assert page.headers["Content-Type"].startswith("text/html")


@pytest.mark.contract("a resource: identifier (absolute URI, no fragment), name, lifetime, permissions")
@pytest.mark.parametrize("ttl", [59, 86_401, 0, -1, "x", None, 1.5, True])
def test_the_lifetime_of_a_resources_tokens_is_bounded(world: World, ttl: object) -> None:
    body = bodies(world)["/resources"] | {"access_token_ttl": ttl}
    invalid(world.admin.post("/resources", body), "access_token_ttl")


@pytest.mark.contract("`/resources/{id}/permissions`, one by one")
def test_permissions_are_added_changed_and_deleted_one_by_one(admin: Admin) -> None:
    resource, name = admin.resource(), unique("thing") + ":read"
    path = f"/resources/{resource['id']}/permissions"
    made = admin.post(path, permission(name, description="to see"))
    expect(201, made)
    assert made.headers["Location"].endswith(f"{path}/{name}") or made.headers["Location"].endswith("%3Aread")
    assert admin.change(f"{path}/{name}", {"public": True, "description": "all may see"})["public"] is True
    shown = admin.get(f"/resources/{resource['id']}").json()["permissions"]
    assert shown == [{"name": name, "description": "all may see", "public": True}]
    admin.remove(f"{path}/{name}")
    problem(admin.delete(f"{path}/{name}"), 404)
    assert admin.get(f"/resources/{resource['id']}").json()["permissions"] == []


@pytest.mark.contract("what is deleted while in use goes, and what hung on it shrinks")
def test_a_deletion_shrinks_what_depended_on_it(admin: Admin) -> None:
    world = create_world(admin)
    admin.remove(f"/resources/{world.resource['id']}")
    for role in (world.user_role, world.machine_role):
        assert admin.get(f"/roles/{role['id']}").json()["permissions"] == []
    assert admin.get(f"/clients/{world.resource_server.id}").json()["serves"] == []
    admin.remove(f"/roles/{world.user_role['id']}")
    assert admin.get(f"/users/{world.user.id}").json()["roles"] == []


@pytest.mark.contract("a deleted credential stays listed with its status, which filters")
def test_a_deleted_credential_stays_listed_with_its_status(world: World) -> None:
    admin, key, pat = world.admin, world.issue("api_key"), world.issue("pat")
    pats = f"/users/{world.user.id}/personal-access-tokens"
    for path, one in (("/api-keys", key.id), (pats, pat.id)):
        admin.remove(f"{path}/{one}")
        admin.remove(f"{path}/{one}")  # a second deletion changes nothing
        status = {item["id"]: item["status"] for item in walk(admin, path, 200)}
        assert status[one] == "revoked"
        assert one in [item["id"] for item in walk(admin, path, 200, status="revoked")]
        assert one not in [item["id"] for item in walk(admin, path, 200, status="active")]
        invalid(admin.get(path, params={"status": "nonsense"}), "status")


@pytest.mark.asvs("6.2.1")
@pytest.mark.contract("a password: 12 characters, not a common one")
def test_a_password_is_long_and_not_a_common_one(admin: Admin) -> None:
    for password in (
        "short",
        "elevenchars",
        "password1234",
        "123456789012",
        "qwertyuiop123",
        "x" * 100_000,
        "",
        None,
        7,
    ):
        invalid(admin.post("/users", {"username": unique("user"), "password": password}), "password")
    user = admin.user()
    invalid(admin.patch(f"/users/{user.id}", {"password": "letmeinletmein"}), "password")


@pytest.mark.asvs("6.4.3")
@pytest.mark.contract("`password` is write only")
def test_a_password_is_never_shown_and_can_be_changed(admin: Admin) -> None:
    user = admin.user()
    assert "password" not in admin.get(f"/users/{user.id}").json()
    changed = admin.change(f"/users/{user.id}", {"password": "another horse battery"})
    assert "password" not in changed
    expect(200, admin.get("/me", auth=(user.username, "another horse battery")))
    expect(401, admin.get("/me", auth=user.basic))


@pytest.mark.asvs("2.3.2")
@pytest.mark.contract("`/clients/{id}/secrets`: name, end, hint, once; at most five live")
def test_a_client_has_at_most_five_live_secrets(world: World) -> None:
    client = world.admin.client([world.machine_role])
    path = f"/clients/{client.id}/secrets"
    further = [world.admin.create(path, {"name": f"number {n}"}) for n in range(4)]
    problem(world.admin.post(path, {"name": "too many"}), 409)
    form = {"grant_type": "client_credentials", "client_id": client.client_id}
    for one in further:
        expect(200, world.admin.token_request(form | {"client_secret": one["client_secret"]}))
    assert len(world.admin.get(path).json()["items"]) == 5
    world.admin.remove(f"{path}/{further[0]['id']}")
    status = {one["id"]: one["status"] for one in world.admin.get(path).json()["items"]}
    assert sorted(status.values()) == ["active"] * 4 + ["revoked"] and status[further[0]["id"]] == "revoked"
    response = world.admin.token_request(form | {"client_secret": further[0]["client_secret"]})
    assert response.status_code == 401
    expect(200, world.admin.token_request(form | {"client_secret": further[1]["client_secret"]}))
    expect(201, world.admin.post(path, {"name": "room again", "expires_at": "2099-01-01T00:00:00Z"}))


@pytest.mark.asvs("16.2.1")
@pytest.mark.contract("`/audit-events`")
def test_the_audit_trail_says_who_did_what_to_which_when_and_from_where(world: World) -> None:
    admin, key = world.admin, world.issue("api_key")
    admin.remove(f"/api-keys/{key.id}")
    events = admin.get("/audit-events", params={"target": key.id}).json()["items"]
    assert {event["action"] for event in events} == {"api_key.create", "api_key.revoke"}
    for event in events:
        assert admin.bootstrap_client.client_id in str(event["actor"]) and key.id in str(event["target"])
        assert "127.0.0.1" in event.values() and [value for value in event.values() if UTC.fullmatch(str(value))]


@pytest.mark.asvs("16.4.2")
@pytest.mark.contract("`/audit-events`")
def test_the_audit_trail_is_filtered_and_append_only(world: World) -> None:
    admin, key = world.admin, world.issue("api_key")
    event = admin.get("/audit-events", params={"target": key.id}).json()["items"][0]
    for filters, found_ in (
        ({"action": "api_key.create"}, True), ({"action": "api_key.revoke"}, False), ({"actor": "nobody"}, False),
        ({"actor": event["actor"]}, True), ({"since": event["at"]}, True), ({"until": event["at"]}, False),
        ({"since": "2099-01-01T00:00:00Z"}, False), ({"until": "2099-01-01T00:00:00Z"}, True),
    ):  # fmt: skip
        page = admin.get("/audit-events", params={"target": key.id} | filters).json()["items"]
        assert bool(page) is found_, filters
    invalid(admin.get("/audit-events", params={"since": "yesterday"}), "since")
    for method in ("POST", "PATCH", "PUT", "DELETE"):
        assert admin.request(method, "/audit-events").status_code == 405
        assert admin.request(method, f"/audit-events/{event['id']}").status_code in (404, 405)


@pytest.mark.asvs("16.3.1")
def test_failed_authentication_leaves_a_trace(world: World) -> None:
    form = {"grant_type": "client_credentials", "client_id": world.client.client_id, "client_secret": "wrong"}
    expect(401, world.admin.token_request(form))
    expect(401, world.admin.get("/me", auth=(world.user.username, "wrong")))
    events = world.admin.get("/audit-events", params={"action": "authentication.fail"}).json()["items"]
    text = str(events)
    assert world.client.client_id in text and (world.user.username in text or world.user.id in text)
