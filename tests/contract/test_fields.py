"""Section 4: each object has the fields of the contract, with the values that were sent."""

from typing import Any

import pytest

from tests.api import Admin, Json, expect, permission, unique
from tests.contract.refusals import invalid
from tests.contract.world import World
from tests.spec.client_keys import new_key

PASSWORD = "correct horse battery staple"


def full_body(world: World, path: str) -> Json:
    """Return a body with every field of a collection."""
    name, scope = unique("thing"), unique("thing") + ":read"
    listed = [permission(scope, public=True, description="to see")]
    bodies: dict[str, Json] = {
        "/resources": {"identifier": f"urn:x:{name}", "name": name, "access_token_ttl": 61, "permissions": listed},
        "/roles": {"name": name, "description": "of old", "type": "machine", "permissions": [world.read]},
        "/users": {
            "username": name,
            "email": f"{name}@example.com",
            "display_name": "A Person",
            "enabled": False,
            "roles": [world.user_role["name"]],
        },
        "/clients": {
            "name": name,
            "token_endpoint_auth_method": "client_secret_post",
            "roles": [world.machine_role["name"]],
            "serves": [world.identifier],
            "enabled": False,
        },
        "/api-keys": {
            "name": name,
            "resource": world.identifier,
            "scopes": [world.read],
            "expires_at": "2099-01-01T00:00:00Z",
            "rate_limit": {"requests": 5, "window_seconds": 60},
            "allowed_ips": ["192.0.2.0/24", "2001:db8::/32"],
            "enabled": False,
        },
    }
    return bodies[path]


@pytest.mark.contract(
    "a resource: identifier (absolute URI, no fragment), name, lifetime, permissions",
    "ids are opaque strings",
    "`/resources`: fields, default lifetime",
    "`/roles`",
    "`/users`",
    "`/clients`: its fields; the server gives `client_id`, `client_secret` once",
    "`/api-keys`: its fields, `key` once",
)
@pytest.mark.parametrize("path", ["/resources", "/roles", "/users", "/clients", "/api-keys"])
def test_every_field_is_kept_and_shown_as_it_was_given(world: World, path: str) -> None:
    body = full_body(world, path)
    extra = {"password": PASSWORD} if path == "/users" else {}
    made = world.admin.create(path, body | extra)
    shown = expect(200, world.admin.get(f"{path}/{made['id']}")).json()
    for answer in (made, shown):
        assert {name: answer[name] for name in body} == body
        assert isinstance(answer["id"], str) and answer["created_at"].endswith("Z")


@pytest.mark.asvs("10.4.11")
@pytest.mark.contract("lifetime of an M2M token: 3600 s, or the resource's", "`/resources`: fields, default lifetime")
@pytest.mark.parametrize(
    ("path", "more", "defaults"),
    [
        ("/resources", {"identifier": "urn:x:bare"}, {"access_token_ttl": 3600, "permissions": []}),
        ("/roles", {"type": "user"}, {"description": "", "permissions": []}),
        ("/clients", {}, {"token_endpoint_auth_method": "client_secret_basic", "roles": [], "serves": [],
                          "enabled": True, "jwks": None, "jwks_uri": None}),
    ],
)  # fmt: skip
def test_what_is_not_given_has_its_default(admin: Admin, path: str, more: Json, defaults: Json) -> None:
    made = admin.create(path, {"name": unique("bare")} | more)
    assert {name: made[name] for name in defaults} == defaults


@pytest.mark.contract(
    "`/clients`: its fields; the server gives `client_id`, `client_secret` once", "`/api-keys`: its fields, `key` once"
)
def test_the_secret_of_a_credential_is_in_the_answer_that_made_it_alone(world: World) -> None:
    for path, member in (("/clients", "client_secret"), ("/api-keys", "key")):
        made = world.admin.create(path, full_body(world, path))
        assert made[member].startswith("lk_")
        assert member not in world.admin.get(f"{path}/{made['id']}").json()
        assert member not in world.admin.change(f"{path}/{made['id']}", {"name": unique("renamed")})


@pytest.mark.asvs("RFC 9700 §4.15")
@pytest.mark.contract("`/clients`: its fields; the server gives `client_id`, `client_secret` once")
def test_the_server_gives_the_client_id(admin: Admin) -> None:
    first, second = (admin.create("/clients", {"name": "namesakes"}) for _ in range(2))
    assert first["client_id"] and first["client_id"] != second["client_id"]
    invalid(admin.post("/clients", {"name": "x", "client_id": "mine"}), "client_id")


@pytest.mark.contract("`/clients`: its fields; the server gives `client_id`, `client_secret` once")
def test_a_client_holds_its_keys_or_where_they_are(admin: Admin) -> None:
    keys = {"keys": [new_key("ES256").public]}
    by_key = {"name": unique("c"), "token_endpoint_auth_method": "private_key_jwt"}
    for field, value in (("jwks", keys), ("jwks_uri", "https://keys.example/jwks.json")):
        made = admin.create("/clients", by_key | {field: value})
        assert admin.get(f"/clients/{made['id']}").json()[field] == value


@pytest.mark.contract("`/clients/{id}/secrets`: name, end, hint, once; at most five live")
def test_a_further_secret_has_a_name_an_end_and_a_hint(world: World) -> None:
    path = f"/clients/{world.admin.client().id}/secrets"
    body = {"name": "of the second node", "expires_at": "2099-01-01T00:00:00Z"}
    made = world.admin.create(path, body)
    [shown] = [one for one in world.admin.get(path).json()["items"] if one["id"] == made["id"]]
    for answer in (made, shown):
        assert {name: answer[name] for name in body} == body
        assert answer["hint"] == "lk_sec_…" + made["client_secret"][-4:]
    assert "client_secret" not in shown


@pytest.mark.contract("a lifetime is at least 1 s")
def test_no_lifetime_is_over_before_it_begins(world: World) -> None:
    past: Any = {"expires_at": "2001-01-01T00:00:00Z"}
    key = {"name": unique("k"), "resource": world.identifier}
    invalid(world.admin.post("/api-keys", key | past), "expires_at")
    invalid(world.admin.post(f"/clients/{world.client.id}/secrets", {"name": "s"} | past), "expires_at")
    pats = f"/users/{world.user.id}/personal-access-tokens"
    invalid(world.admin.post(pats, {"name": unique("p"), "scopes": [world.read]} | past), "expires_at")


@pytest.mark.contract("201 with `Location`, 204, PATCH changes what is named")
def test_a_patch_leaves_alone_what_it_does_not_name(world: World) -> None:
    for path in ("/roles", "/users", "/clients", "/api-keys"):
        made = world.admin.create(path, full_body(world, path))
        assert world.admin.change(f"{path}/{made['id']}", {}).items() <= made.items()
