"""Section 2: what a credential may do is decided when it is used, on every process."""

import pytest

from tests.api import Admin, Json, expect, permission, unique
from tests.contract.refusals import invalid, problem
from tests.contract.world import KINDS, Kind, World, create_world, scopes_of

PROCESSES = 2


def everywhere(admin: Admin, token: str) -> Json:
    """Introspect over several connections, so that each process answers; assert that they agree."""
    headers = {"Authorization": f"Bearer {admin.token()}", "Connection": "close"}
    asked = [admin.http.post("/oauth/introspect", data={"token": token}, headers=headers) for _ in range(3 * PROCESSES)]
    answers: list[Json] = [expect(200, one).json() for one in asked]
    assert all(answer == answers[0] for answer in answers)
    return answers[0]


def owner(world: World, kind: Kind, key_id: str) -> str:
    paths = {"pat": f"/users/{world.user.id}", "m2m": f"/clients/{world.client.id}", "api_key": f"/api-keys/{key_id}"}
    return paths[kind]


def may(world: World, token: str, scope: str) -> int:
    return world.admin.forward_auth(token, world.resource, scope).status_code


@pytest.mark.asvs("8.3.1")
@pytest.mark.contract("rights are decided at each use: by roles, for every kind")
@pytest.mark.parametrize("kind", ["pat", "m2m"])
def test_a_role_that_is_taken_away_takes_its_scopes_along(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held = world.issue(kind)
    assert scopes_of(everywhere(many, held.token)) == {world.read, world.write}
    many.change(owner(world, kind, held.id), {"roles": []})
    answer = everywhere(many, held.token)
    assert answer["active"] is True and answer["scope"] == ""
    assert may(world, held.token, world.read) == 403
    role = world.user_role if kind == "pat" else world.machine_role
    many.change(owner(world, kind, held.id), {"roles": [role["name"]]})
    assert scopes_of(everywhere(many, held.token)) == {world.read, world.write}


@pytest.mark.contract(
    "rights are decided at each use: by roles, for every kind", "forward-auth decides as introspection does"
)
@pytest.mark.parametrize("kind", ["pat", "m2m"])
def test_a_role_that_gives_less_shrinks_its_holders_credentials(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held, role = world.issue(kind), world.user_role if kind == "pat" else world.machine_role
    many.change(f"/roles/{role['id']}", {"permissions": [world.write]})
    assert everywhere(many, held.token)["scope"] == world.write
    assert (may(world, held.token, world.read), may(world, held.token, world.write)) == (403, 200)


@pytest.mark.contract("rights are decided at each use: by roles, for every kind")
@pytest.mark.parametrize("kind", ["pat", "m2m"])
def test_a_deleted_role_takes_its_scopes_along(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held, role = world.issue(kind), world.user_role if kind == "pat" else world.machine_role
    many.remove(f"/roles/{role['id']}")
    assert everywhere(many, held.token)["scope"] == ""


@pytest.mark.contract("rights are decided at each use: permission deleted or no longer public")
@pytest.mark.parametrize("kind", KINDS)
def test_a_deleted_permission_is_gone_from_every_credential(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held = world.issue(kind)
    many.remove(f"/resources/{world.resource['id']}/permissions/{world.read}")
    assert everywhere(many, held.token)["scope"] == world.write
    assert may(world, held.token, world.read) == 403


@pytest.mark.contract("rights are decided at each use: permission deleted or no longer public")
def test_a_permission_that_is_no_longer_public_is_gone_from_keys_alone(many: Admin) -> None:
    world = create_world(many)
    pat, key, jwt = (world.issue(kind) for kind in KINDS)
    many.change(f"/resources/{world.resource['id']}/permissions/{world.read}", {"public": False})
    assert everywhere(many, key.token)["scope"] == world.write
    for other in (pat, jwt):
        assert scopes_of(everywhere(many, other.token)) == {world.read, world.write}


@pytest.mark.contract(
    "rights are decided at each use: owner disabled or deleted", "forward-auth decides as introspection does"
)
@pytest.mark.parametrize("kind", KINDS)
def test_credentials_of_a_disabled_owner_are_inactive_until_the_owner_is_enabled_again(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held = world.issue(kind)
    many.change(owner(world, kind, held.id), {"enabled": False})
    assert everywhere(many, held.token) == {"active": False}
    assert may(world, held.token, world.read) == 401
    many.change(owner(world, kind, held.id), {"enabled": True})
    assert everywhere(many, held.token)["active"] is True


@pytest.mark.contract("rights are decided at each use: owner disabled or deleted")
@pytest.mark.parametrize("kind", KINDS)
def test_credentials_of_a_deleted_owner_are_inactive_for_good(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held = world.issue(kind)
    many.remove(owner(world, kind, held.id))
    assert everywhere(many, held.token) == {"active": False}


@pytest.mark.parametrize("kind", KINDS)
def test_no_credential_has_access_to_a_deleted_resource(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    held = world.issue(kind)
    many.remove(f"/resources/{world.resource['id']}")
    answer = everywhere(many, held.token)
    assert answer == {"active": False} or answer["scope"] == ""
    assert may(world, held.token, world.read) in (401, 403)


@pytest.mark.asvs("8.3.1")
@pytest.mark.contract(
    "a change takes effect at the next introspection, on every node", "revocation: effective on every node at once"
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_revocation_is_seen_by_every_process_at_once(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    for _ in range(3):
        held = world.issue(kind)
        assert everywhere(many, held.token)["active"] is True
        expect(200, many.revoke(held.token, world.client if kind == "m2m" else None))
        assert everywhere(many, held.token) == {"active": False}


@pytest.mark.contract("further roles never widen a PAT")
@pytest.mark.parametrize("kind", ["pat", "m2m"])
def test_further_roles_never_widen_what_was_issued(many: Admin, kind: Kind) -> None:
    world = create_world(many)
    further = unique("further") + ":read"
    many.create(f"/resources/{world.resource['id']}/permissions", permission(further))
    chosen = world.issue("pat", scopes=[world.read]) if kind == "pat" else world.issue("m2m", scope=world.read)
    role = world.user_role if kind == "pat" else world.machine_role
    many.change(f"/roles/{role['id']}", {"permissions": [world.read, world.write, further]})
    assert everywhere(many, chosen.token)["scope"] == world.read
    assert may(world, chosen.token, further) == 403


@pytest.mark.contract("a permission re-created under an old name does not widen a PAT")
def test_a_permission_recreated_under_an_old_name_does_not_return_to_a_token(many: Admin) -> None:
    world = create_world(many)
    held = world.issue("pat", scopes=[world.read])
    many.remove(f"/resources/{world.resource['id']}/permissions/{world.read}")
    many.create(f"/resources/{world.resource['id']}/permissions", permission(world.read))
    assert everywhere(many, held.token)["scope"] == ""


@pytest.mark.contract("the wrong type of role is 422")
def test_the_wrong_type_of_role_is_refused(world: World) -> None:
    user, client = f"/users/{world.user.id}", f"/clients/{world.client.id}"
    invalid(world.admin.patch(user, {"roles": [world.machine_role["name"]]}), "roles")
    invalid(world.admin.patch(client, {"roles": [world.user_role["name"]]}), "roles")
    body = {"username": unique("u"), "password": "correct horse battery", "roles": [world.machine_role["name"]]}
    invalid(world.admin.post("/users", body), "roles")
    invalid(world.admin.post("/clients", {"name": unique("c"), "roles": [world.user_role["name"]]}), "roles")


@pytest.mark.contract("a scope name is unique on the whole server")
def test_a_scope_name_is_unique_on_the_whole_server(world: World) -> None:
    body = {"identifier": f"https://{unique('api')}.example/", "name": unique("api"), "permissions": []}
    taken = permission(world.read)
    problem(world.admin.post("/resources", body | {"permissions": [taken]}), 409)
    other = world.admin.resource()
    problem(world.admin.post(f"/resources/{other['id']}/permissions", taken), 409)


@pytest.mark.contract("a role has permissions of any resources")
def test_a_role_holds_permissions_of_any_resources(world: World) -> None:
    further = unique("further") + ":read"
    second = world.admin.resource(permissions=[further])
    role = world.admin.role("machine", [world.read, further])
    assert set(role["permissions"]) == {world.read, further}
    answer = world.admin.grant(world.admin.client([role]), resource=[world.identifier, second["identifier"]])
    assert scopes_of(answer) == {world.read, further}


def test_a_disabled_user_can_make_no_token(admin: Admin) -> None:
    world = create_world(admin)
    admin.change(f"/users/{world.user.id}", {"enabled": False})
    body = {"name": unique("pat"), "scopes": [world.read]}
    problem(admin.post("/me/personal-access-tokens", body, auth=world.user.basic), 401)
