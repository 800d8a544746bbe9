"""Section 4: a caller grants only permissions that they hold, and a personal access token cannot create credentials."""

from typing import Any

import pytest

from tests.api import Admin, Client, Json, expect, unique
from tests.contract.refusals import problem
from tests.contract.world import World, create_world
from tests.spec.client_keys import new_key

WRITERS = [
    "roles:write",
    "roles:read",
    "users:write",
    "clients:write",
    "api-keys:write",
    "tokens:write",
    "resources:write",
]


@pytest.fixture(scope="module")
def writer(admin: Admin) -> str:
    """An M2M token that may write everything and lacks `manage`, `audit:read` and the rest."""
    return admin.m2m(admin.client([admin.role("machine", WRITERS)]))


@pytest.fixture(scope="module")
def strong(admin: Admin) -> dict[str, Json]:
    """Roles with a scope that the writer lacks."""
    return {"user": admin.role("user", ["audit:read"]), "machine": admin.role("machine", ["audit:read"])}


@pytest.fixture(scope="module")
def pat(admin: Admin) -> str:
    """The administrator's own PAT with `manage`."""
    token: str = admin.pat(admin.administrator, ["manage"])["token"]
    return token


@pytest.mark.asvs("8.2.3")
@pytest.mark.contract("a caller cannot grant what they do not hold")
def test_without_manage_no_permission_of_this_api_enters_a_role(world: World, writer: str) -> None:
    for scope in ("manage", "audit:read", "roles:write", "introspect"):
        body = {"name": unique("role"), "type": "machine", "permissions": [world.read, scope]}
        problem(world.admin.post("/roles", body, auth=writer), 403)
        role = world.admin.role("machine", [world.read])
        problem(world.admin.patch(f"/roles/{role['id']}", {"permissions": [scope]}, auth=writer), 403)
    body = {"name": unique("role"), "type": "machine", "permissions": [world.read]}
    expect(201, world.admin.post("/roles", body, auth=writer))


@pytest.mark.asvs("8.2.3")
@pytest.mark.contract("a caller cannot grant what they do not hold")
def test_a_permission_that_the_caller_lacks_cannot_be_assigned(
    admin: Admin, writer: str, strong: dict[str, Json]
) -> None:
    user, client = admin.user(), admin.client()
    problem(admin.patch(f"/users/{user.id}", {"roles": [strong["user"]["name"]]}, auth=writer), 403)
    problem(admin.patch(f"/clients/{client.id}", {"roles": [strong["machine"]["name"]]}, auth=writer), 403)
    made = {"username": unique("u"), "password": "correct horse battery", "roles": [strong["user"]["name"]]}
    problem(admin.post("/users", made, auth=writer), 403)
    problem(admin.post("/clients", {"name": unique("c"), "roles": [strong["machine"]["name"]]}, auth=writer), 403)
    assert admin.get(f"/users/{user.id}").json()["roles"] == []


def test_a_permission_that_the_caller_holds_can_be_assigned(admin: Admin, writer: str) -> None:
    role = admin.role("user", ["roles:read"])
    user = admin.user()
    expect(200, admin.patch(f"/users/{user.id}", {"roles": [role["name"]]}, auth=writer))


@pytest.mark.asvs("8.2.2")
@pytest.mark.contract("a caller cannot grant what they do not hold")
@pytest.mark.parametrize(
    "change",
    [
        {"password": "a taken over account"},
        {"enabled": False},
        {"email": "thief@example.com"},
        {"display_name": "x"},
        {"roles": []},
    ],
)
def test_a_stronger_user_is_out_of_reach(admin: Admin, writer: str, strong: dict[str, Json], change: Json) -> None:
    user = admin.user([strong["user"]])
    problem(admin.patch(f"/users/{user.id}", change, auth=writer), 403)
    problem(admin.delete(f"/users/{user.id}", auth=writer), 403)
    expect(200, admin.get("/me", auth=user.basic))


@pytest.mark.contract("a caller cannot grant what they do not hold")
def test_a_stronger_client_is_out_of_reach(admin: Admin, writer: str, strong: dict[str, Json]) -> None:
    client = admin.client([strong["machine"]])
    path = f"/clients/{client.id}"
    problem(admin.post(f"{path}/secrets", {"name": "mine now"}, auth=writer), 403)
    problem(admin.patch(path, {"enabled": False}, auth=writer), 403)
    mine: Json = {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [new_key("ES256").public]}}
    problem(admin.patch(path, mine, auth=writer), 403)
    problem(admin.patch(path, {"serves": []}, auth=writer), 403)
    problem(admin.delete(path, auth=writer), 403)
    admin.m2m(client)


@pytest.mark.contract("a caller cannot grant what they do not hold")
def test_a_stronger_role_is_out_of_reach(admin: Admin, writer: str, strong: dict[str, Json]) -> None:
    problem(admin.patch(f"/roles/{strong['user']['id']}", {"name": unique("x")}, auth=writer), 403)
    problem(admin.delete(f"/roles/{strong['user']['id']}", auth=writer), 403)


@pytest.mark.contract("a caller cannot grant what they do not hold")
def test_no_token_is_made_for_a_user_with_more(admin: Admin, writer: str, strong: dict[str, Json]) -> None:
    user = admin.user([strong["user"]])
    path = f"/users/{user.id}/personal-access-tokens"
    problem(admin.post(path, {"name": "x", "scopes": ["audit:read"]}, auth=writer), 403)
    expect(201, admin.post(path, {"name": "x", "scopes": ["audit:read"]}))


def test_the_bootstrap_client_and_administrator_are_out_of_reach(admin: Admin, writer: str) -> None:
    users = admin.get("/users", params={"limit": 200}).json()["items"]
    clients = admin.get("/clients", params={"limit": 200}).json()["items"]
    first = next(u for u in users if u["username"] == admin.administrator.username)
    machine = next(c for c in clients if c["client_id"] == admin.bootstrap_client.client_id)
    problem(admin.patch(f"/users/{first['id']}", {"password": "a taken over account"}, auth=writer), 403)
    problem(admin.post(f"/clients/{machine['id']}/secrets", {"name": "x"}, auth=writer), 403)


def makers(world: World) -> dict[str, tuple[str, Json]]:
    """Return every operation that creates, renews or reveals a credential."""
    own, key = world.issue("pat"), world.issue("api_key")
    pats = f"/users/{world.user.id}/personal-access-tokens"
    return {
        "a PAT for a user": (pats, {"name": unique("p"), "scopes": [world.read]}),
        "a key": ("/api-keys", {"name": unique("k"), "resource": world.identifier}),
        "a rotation": (f"/api-keys/{key.id}/rotate", {"overlap_seconds": 0}),
        "a client": ("/clients", {"name": unique("c")}),
        "a secret": (f"/clients/{world.client.id}/secrets", {"name": unique("s")}),
        "one's own PAT": ("/me/personal-access-tokens", {"name": unique("p"), "scopes": [world.read]}),
        "a regeneration": (f"/me/personal-access-tokens/{own.id}/regenerate", {}),
    }


@pytest.mark.contract("no PAT makes, renews or reveals a credential, nor a JWT from one")
def test_no_pat_with_manage_makes_or_renews_a_credential(world: World, pat: str) -> None:
    exchanged = expect(200, world.admin.exchange(pat, "personal_access_token")).json()["access_token"]
    for token in (pat, exchanged):
        expect(200, world.admin.get("/roles", auth=token))
        for name, (path, body) in makers(world).items():
            response = world.admin.post(path, body, auth=token)
            assert response.status_code in ((401, 403, 404) if path.startswith("/me") else (403,)), (
                name,
                response.text,
            )


@pytest.mark.contract("no PAT makes, renews or reveals a credential, nor a JWT from one")
def test_a_client_that_exchanges_a_pat_does_not_launder_it(world: World, pat: str) -> None:
    client = world.admin.client([world.admin.role("machine", ["manage"])])
    token = expect(200, world.admin.exchange(pat, "personal_access_token", client)).json()["access_token"]
    path, body = makers(world)["a key"]
    problem(world.admin.post(path, body, auth=token), 403)


@pytest.mark.asvs("7.5.1", "8.2.3")
def test_no_pat_takes_an_account_over_to_make_credentials_with(admin: Admin, pat: str) -> None:
    user = admin.user()
    response = admin.patch(f"/users/{user.id}", {"password": "a taken over account"}, auth=pat)
    problem(response, 403)
    body = {"username": unique("u"), "password": "a password of my own", "roles": []}
    problem(admin.post("/users", body, auth=pat), 403)


def test_no_pat_registers_a_key_to_authenticate_with(world: World, pat: str) -> None:
    keys: Json = {"jwks": {"keys": [new_key("ES256").public]}}
    for fields in (keys, {"jwks_uri": "https://keys.example/jwks.json"}):
        mine = {"token_endpoint_auth_method": "private_key_jwt"} | fields
        problem(world.admin.patch(f"/clients/{world.client.id}", mine, auth=pat), 403)
        problem(world.admin.post("/clients", {"name": unique("c")} | mine, auth=pat), 403)
    world.admin.m2m(world.client)


def test_the_management_api_cannot_be_given_away(admin: Admin, writer: str) -> None:
    body = {"name": unique("key"), "resource": admin.identifier}
    expect(422, admin.post("/api-keys", body))
    own = next(r for r in admin.get("/resources").json()["items"] if r["identifier"] == admin.identifier)
    path = f"/resources/{own['id']}"
    for caller in (None, writer):
        changes: list[Json] = [{"identifier": "https://elsewhere.example/"}, {"permissions": []}]
        for change in changes:
            assert admin.patch(path, change, auth=caller).status_code in (403, 409, 422)
        public = admin.patch(f"{path}/permissions/manage", {"public": True}, auth=caller)
        assert public.status_code in (403, 409)


def test_a_token_for_another_user_asks_for_its_own_scope(world: World) -> None:
    reader = world.admin.m2m(world.admin.client([world.admin.role("machine", ["tokens:read", "users:write"])]))
    path = f"/users/{world.user.id}/personal-access-tokens"
    expect(200, world.admin.get(path, auth=reader))
    problem(world.admin.post(path, {"name": unique("p"), "scopes": [world.read]}, auth=reader), 403)
    problem(world.admin.delete(f"{path}/{world.issue('pat').id}", auth=reader), 403)


def test_a_pat_with_manage_may_do_the_rest(admin: Admin, pat: str) -> None:
    world = create_world(admin)
    change: list[tuple[str, str, Any]] = [
        ("PATCH", f"/users/{world.user.id}", {"display_name": "renamed"}),
        ("DELETE", f"/api-keys/{world.issue('api_key').id}", None),
        ("PATCH", f"/clients/{world.client.id}", {"enabled": False}),
        ("DELETE", f"/clients/{world.client.id}", None),
    ]
    for method, path, body in change:
        options = {} if body is None else {"json": body}
        assert admin.request(method, path, auth=pat, **options).status_code in (200, 204), (method, path)


@pytest.mark.contract("the scope of each operation, `manage` for everything")
def test_a_machine_token_with_manage_may_do_everything(admin: Admin) -> None:
    client: Client = admin.client([admin.role("machine", ["manage"])])
    token = admin.m2m(client)
    body = {"name": unique("role"), "type": "machine", "permissions": ["manage"]}
    expect(201, admin.post("/roles", body, auth=token))
