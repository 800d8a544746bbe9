"""Section 4: the signed-in user's own profile and tokens."""

from datetime import datetime
from typing import Any

import pytest

from tests.api import Admin, Json, User, expect, unique
from tests.contract.refusals import invalid, problem
from tests.contract.waiting import until
from tests.contract.world import World, create_world

PATS = "/me/personal-access-tokens"
FIELDS = {"id", "name", "description", "scopes", "hint", "created_at", "expires_at", "last_used_at", "status"}


def of(world: World, path: str = "", **options: Any) -> Any:
    return world.admin.get(PATS + path, auth=world.user.basic, **options)


def make(world: World, status: int = 201, user: User | None = None, **fields: Any) -> Any:
    body = {"name": unique("pat"), "scopes": [world.read]} | fields
    return expect(status, world.admin.post(PATS, body, auth=(user or world.user).basic))


@pytest.mark.contract("`/me` by Basic; a PAT reads `/me` only")
def test_me_is_the_profile_the_roles_and_the_scopes_they_grant_now(admin: Admin) -> None:
    world = create_world(admin)
    me = expect(200, admin.get("/me", auth=world.user.basic)).json()
    assert (me["id"], me["username"]) == (world.user.id, world.user.username)
    assert me["roles"] == [world.user_role["name"]]
    assert set(me["scopes"]) == {world.read, world.write}
    admin.change(f"/roles/{world.user_role['id']}", {"permissions": [world.read]})
    assert admin.get("/me", auth=world.user.basic).json()["scopes"] == [world.read]


@pytest.mark.asvs("6.3.4")
def test_a_wrong_password_an_unknown_user_and_no_credential_are_refused_alike(world: World) -> None:
    admin, password = world.admin, world.user.password
    tries = [
        (world.user.username, "wrong"),
        (unique("nobody"), password),
        ("", ""),
        (world.user.username, password + " "),
    ]
    answers = [admin.get("/me", auth=pair) for pair in tries]
    bodies = [
        {k: v for k, v in problem(answer, 401).items() if "id" not in k and k != "instance"} for answer in answers
    ]
    assert all(body == bodies[0] for body in bodies)
    response = admin.get("/me", auth=False)
    problem(response, 401)
    assert response.headers["WWW-Authenticate"]


@pytest.mark.contract("`/me` by Basic; a PAT reads `/me` only")
def test_a_pat_reads_me_and_nothing_else_of_ones_own(world: World) -> None:
    held, token = world.issue("pat"), world.issue("pat").token
    me = expect(200, world.admin.get("/me", auth=token)).json()
    assert me["username"] == world.user.username
    calls: list[tuple[str, str, Json | None]] = [
        ("GET", PATS, None),
        ("GET", f"{PATS}/{held.id}", None),
        ("GET", f"/me/usage?credential={held.id}", None),
        ("POST", PATS, {"name": unique("pat"), "scopes": [world.read]}),
        ("PATCH", f"{PATS}/{held.id}", {"name": "mine"}),
        ("POST", f"{PATS}/{held.id}/regenerate", {}),
        ("DELETE", f"{PATS}/{held.id}", None),
    ]
    for method, path, body in calls:
        response = world.admin.request(method, path, auth=token, **({} if body is None else {"json": body}))
        assert response.status_code in (401, 403), (method, path, response.text)
    assert world.admin.active(held.token)


def test_a_pat_is_not_accepted_as_the_password_of_basic(world: World) -> None:
    token = world.issue("pat").token
    problem(world.admin.get(PATS, auth=(world.user.username, token)), 401)


def test_a_machine_is_not_a_user(world: World) -> None:
    assert world.admin.get("/me", auth=world.issue("m2m").token).status_code in (401, 403)
    assert world.admin.get("/me").status_code in (401, 403)


@pytest.mark.contract("a user makes a PAT by page, API, CLI", "PATs: fields, unique names, scopes, expiry")
def test_a_new_token_has_the_fields_of_the_contract(world: World) -> None:
    response = make(world, description="for the build", expires_in=3600)
    made = response.json()
    assert set(made) >= FIELDS | {"token"}
    assert (made["description"], made["scopes"], made["status"]) == ("for the build", [world.read], "active")
    assert made["last_used_at"] is None
    assert response.headers["Location"].endswith(f"{PATS}/{made['id']}")
    assert "no-store" in response.headers["Cache-Control"]
    shown = expect(200, of(world, f"/{made['id']}")).json()
    assert shown == {name: value for name, value in made.items() if name != "token"}


@pytest.mark.contract("PATs: fields, unique names, scopes, expiry")
def test_a_name_is_unique_among_live_tokens_of_a_user(world: World) -> None:
    first = make(world).json()
    problem(make(world, 409, name=first["name"]), 409)
    other = world.admin.user([world.user_role])
    make(world, user=other, name=first["name"])
    world.admin.remove(f"{PATS}/{first['id']}", auth=world.user.basic)
    make(world, name=first["name"])


@pytest.mark.contract("`name` unique among live tokens, also by renaming")
def test_an_expired_token_gives_its_name_up(world: World) -> None:
    name = unique("short")
    short = make(world, name=name, expires_in=1).json()
    until(lambda: not world.admin.active(short["token"]))
    assert of(world, f"/{short['id']}").json()["status"] == "expired"
    make(world, name=name)


@pytest.mark.contract("`name` unique among live tokens, also by renaming", "list, read, change, revoke one's own")
def test_renaming_to_a_live_name_is_409(world: World) -> None:
    first, second = make(world).json(), make(world).json()
    path = f"{PATS}/{second['id']}"
    problem(world.admin.patch(path, {"name": first["name"]}, auth=world.user.basic), 409)
    changed = world.admin.change(path, {"description": "changed"}, auth=world.user.basic)
    assert (changed["name"], changed["description"]) == (second["name"], "changed")
    invalid(world.admin.patch(path, {"scopes": [world.write]}, auth=world.user.basic), "scopes")


@pytest.mark.contract("PATs: fields, unique names, scopes, expiry")
@pytest.mark.parametrize("scopes", [[], None, "x", [7], [""], ["a b"], [None], {}, ["x" * 3000]])
def test_scopes_are_a_list_of_at_least_one(world: World, scopes: object) -> None:
    make(world, 422, scopes=scopes)


@pytest.mark.contract("PATs: fields, unique names, scopes, expiry")
def test_a_scope_that_the_roles_do_not_give_is_422_and_named(world: World) -> None:
    for scope in (unique("unheard-of"), "manage"):
        assert scope in " ".join(invalid(make(world, 422, scopes=[world.read, scope]), "scopes"))


@pytest.mark.asvs("2.2.3")
@pytest.mark.contract("a lifetime is at least 1 s")
@pytest.mark.parametrize(
    "lifetime",
    [
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": "soon"},
        {"expires_in": 1.5},
        {"expires_in": 10**30},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "tomorrow"},
        {"expires_at": 7},
        {"expires_at": "9999-12-31T23:59:60Z"},
        {"expires_in": 60, "expires_at": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_lifetime_is_at_least_one_second_and_given_in_one_field(world: World, lifetime: Json) -> None:
    make(world, 422, **lifetime)


@pytest.mark.asvs("16.2.2")
@pytest.mark.contract("times are RFC 3339 UTC")
def test_times_are_rfc_3339_in_utc_whatever_was_sent(world: World) -> None:
    made = make(world, expires_at="2099-06-01T12:00:00+02:00").json()
    assert datetime.fromisoformat(made["expires_at"]) == datetime.fromisoformat("2099-06-01T10:00:00Z")
    assert made["expires_at"].endswith("Z") and made["created_at"].endswith("Z")


@pytest.mark.parametrize("name", ["", None, 7, "x" * 5000, "\x00", []])
def test_a_name_is_a_string_of_sensible_length(world: World, name: object) -> None:
    make(world, 422, name=name)


@pytest.mark.contract("PATs: fields, unique names, scopes, expiry")
def test_neither_field_means_thirty_days_and_null_never(world: World) -> None:
    made = make(world).json()
    span = datetime.fromisoformat(made["expires_at"]) - datetime.fromisoformat(made["created_at"])
    assert abs(span.total_seconds() - 30 * 86_400) < 2
    assert make(world, expires_at=None).json()["expires_at"] is None


@pytest.mark.contract("list, read, change, revoke one's own")
def test_the_list_is_ones_own_and_filtered_by_status(admin: Admin) -> None:
    world = create_world(admin)
    other = admin.user([world.user_role])
    mine, gone = make(world).json(), make(world).json()
    theirs = make(world, user=other).json()
    admin.remove(f"{PATS}/{gone['id']}", auth=world.user.basic)
    assert {item["id"] for item in of(world).json()["items"]} == {mine["id"], gone["id"]}
    assert [item["id"] for item in of(world, params={"status": "active"}).json()["items"]] == [mine["id"]]
    assert [item["id"] for item in of(world, params={"status": "revoked"}).json()["items"]] == [gone["id"]]
    for response in (
        of(world, f"/{theirs['id']}"),
        admin.delete(f"{PATS}/{theirs['id']}", auth=world.user.basic),
        admin.post(f"{PATS}/{theirs['id']}/regenerate", {}, auth=world.user.basic),
        admin.patch(f"{PATS}/{theirs['id']}", {"name": "x"}, auth=world.user.basic),
    ):
        problem(response, 404)
    assert admin.active(theirs["token"])


@pytest.mark.contract("regenerate: 200, the same but for secret and expiry; the old secret is dead")
def test_regenerating_keeps_identity_and_gives_a_new_secret_and_expiry(world: World) -> None:
    made = make(world, expires_in=3600, description="kept").json()
    path = f"{PATS}/{made['id']}/regenerate"
    response = expect(200, world.admin.post(path, {}, auth=world.user.basic))
    renewed = response.json()
    for name in ("id", "name", "scopes", "description", "created_at"):
        assert renewed[name] == made[name]
    assert renewed["token"] != made["token"] and renewed["expires_at"] >= made["expires_at"]
    assert "no-store" in response.headers["Cache-Control"]
    assert not world.admin.active(made["token"]) and world.admin.active(renewed["token"])


@pytest.mark.asvs("2.3.1")
def test_an_expired_token_can_be_regenerated_and_a_revoked_one_not(world: World) -> None:
    short, gone = make(world, expires_in=1).json(), make(world).json()
    until(lambda: not world.admin.active(short["token"]))
    renewed = expect(200, world.admin.post(f"{PATS}/{short['id']}/regenerate", {}, auth=world.user.basic)).json()
    assert renewed["status"] == "active"
    world.admin.remove(f"{PATS}/{gone['id']}", auth=world.user.basic)
    problem(world.admin.post(f"{PATS}/{gone['id']}/regenerate", {}, auth=world.user.basic), 409)


@pytest.mark.contract("`/users/{id}/personal-access-tokens`")
def test_an_operator_makes_lists_and_revokes_for_a_user(admin: Admin) -> None:
    world = create_world(admin)
    path = f"/users/{world.user.id}/personal-access-tokens"
    made = admin.create(path, {"name": unique("pat"), "scopes": [world.read], "expires_in": 60})
    assert admin.introspect(made["token"])["username"] == world.user.username
    assert [item["id"] for item in admin.get(path).json()["items"]] == [made["id"]]
    admin.remove(f"{path}/{made['id']}")
    assert not admin.active(made["token"])
    problem(admin.get("/users/unknown/personal-access-tokens"), 404)


def test_a_use_shows_as_last_used_after_a_clean_stop_at_the_latest(configured: Admin) -> None:
    admin, world = configured, create_world(configured)
    pat, key = world.issue("pat"), world.issue("api_key")
    admin.introspect(pat.token)
    expect(200, admin.forward_auth(key.token, world.resource))
    admin.server.restart()
    for path in (f"/users/{world.user.id}/personal-access-tokens/", "/api-keys/"):
        one = pat.id if "users" in path else key.id
        assert expect(200, admin.get(path + one)).json()["last_used_at"].endswith("Z")
