"""RFC 7662: what introspection returns for each kind, and to which caller."""

import time

import pytest

from tests.api import Admin, Json, expect, unique
from tests.contract.refusals import oauth_error
from tests.contract.waiting import until
from tests.contract.world import CREDENTIAL_TYPE, KINDS, Kind, World, create_world, scopes_of

ALWAYS = {"active", "credential_type", "token_type", "scope", "aud", "iss", "iat", "jti"}
MEMBERS: dict[Kind, set[str]] = {
    "pat": ALWAYS | {"exp", "sub", "username"},
    "api_key": ALWAYS,
    "m2m": ALWAYS | {"exp", "sub", "client_id"},
}
INACTIVE = {"active": False}


@pytest.mark.contract("introspection: the members of each kind")
@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize("kind", KINDS)
def test_an_active_credential_has_exactly_its_kinds_members(world: World, kind: Kind) -> None:
    held, now = world.issue(kind), time.time()
    for answer in (world.admin.introspect(held.token), world.admin.introspect(held.token, world.resource_server)):
        assert set(answer) == MEMBERS[kind]
        assert answer["active"] is True
        assert answer["credential_type"] == CREDENTIAL_TYPE[kind]
        assert answer["token_type"] == "Bearer"
        assert scopes_of(answer) == {world.read, world.write}
        assert answer["aud"] == [world.identifier]
        assert answer["iss"] == world.admin.issuer
        assert type(answer["iat"]) is int and now - 60 < answer["iat"] <= now + 1
        assert answer["jti"] == held.id


@pytest.mark.contract("what each kind represents: a user, nobody, a client", "introspection: the members of each kind")
@pytest.mark.spec("RFC 7662 §2.2")
def test_a_personal_access_token_names_its_user(world: World) -> None:
    answer = world.admin.introspect(world.issue("pat", expires_in=600).token)
    assert (answer["sub"], answer["username"]) == (world.user.id, world.user.username)
    assert type(answer["exp"]) is int and 590 <= answer["exp"] - answer["iat"] <= 601


@pytest.mark.contract("what each kind represents: a user, nobody, a client", "introspection: the members of each kind")
@pytest.mark.spec("RFC 7662 §2.2")
def test_a_machine_token_names_its_client_twice_by_the_public_id(world: World) -> None:
    answer = world.admin.introspect(world.issue("m2m").token)
    assert answer["sub"] == answer["client_id"] == world.client.client_id
    assert answer["exp"] - answer["iat"] == 3600


@pytest.mark.contract("what each kind represents: a user, nobody, a client", "introspection: the members of each kind")
@pytest.mark.spec("RFC 7662 §2.2")
def test_an_api_key_names_nobody(world: World) -> None:
    answer = world.admin.introspect(world.issue("api_key").token)
    assert not {"sub", "username", "client_id", "exp"} & set(answer)


@pytest.mark.contract("lifetime of an API key: optional", "`exp` unless it never expires")
@pytest.mark.spec("RFC 7662 §2.2")
def test_exp_is_there_unless_it_never_expires(world: World) -> None:
    soon = "2099-01-01T00:00:00Z"
    assert world.admin.introspect(world.issue("api_key", expires_at=soon).token)["exp"] == 4_070_908_800
    assert world.admin.introspect(world.issue("pat", expires_at=soon).token)["exp"] == 4_070_908_800
    assert "exp" not in world.admin.introspect(world.issue("pat", expires_at=None).token)


@pytest.mark.contract("a JWT from an exchange: its subject's members, `exchanged`")
@pytest.mark.spec("RFC 7662 §2.2")
def test_an_exchanged_token_has_its_subjects_members(world: World) -> None:
    for kind, urn in (("pat", "personal_access_token"), ("api_key", "api_key")):
        held = world.issue(kind)  # type: ignore[arg-type]
        token = expect(200, world.admin.exchange(held.token, urn)).json()["access_token"]
        answer = world.admin.introspect(token)
        assert set(answer) == MEMBERS[kind] | {"exp", "exchanged"}  # type: ignore[index]
        assert answer["exchanged"] is True and answer["credential_type"] == urn
        assert answer["aud"] == [world.identifier] and answer["jti"] != held.id
        assert answer.get("sub") == (world.user.id if kind == "pat" else None)


@pytest.mark.contract('inactive is `{"active": false}` and nothing more')
@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize(
    "token",
    [
        "x",
        " ",
        "lk_pat_" + "0" * 38,
        "lk_key_" + "a" * 38,
        "lk_sec_" + "b" * 38,
        "lk_pat_",
        "a.b.c",
        "e30.e30.e30",
        "..",
        "ä",
        "\x00",
        "x" * 50_000,
        "eyJhbGciOiJub25lIn0.eyJjcmVkZW50aWFsX3R5cGUiOiJjbGllbnRfY3JlZGVudGlhbHMifQ.",
        "%",
        "a b",
        "null",
    ],
)
def test_what_is_unknown_or_malformed_is_inactive_and_nothing_more(admin: Admin, token: str) -> None:
    assert admin.introspect(token) == INACTIVE


@pytest.mark.spec("RFC 7662 §2.2")
def test_a_client_secret_is_not_a_token(world: World) -> None:
    assert world.admin.introspect(world.client.client_secret) == INACTIVE


@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize("kind", KINDS)
def test_one_changed_character_makes_it_inactive(world: World, kind: Kind) -> None:
    token = world.issue(kind).token
    for at in (0, 4, len(token) // 2, len(token) - 3):
        changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert world.admin.introspect(changed) == INACTIVE
    for other in (token + "=", token[:-1], f" {token}", f"{token}\n", token.swapcase()):
        assert world.admin.introspect(other) == INACTIVE


@pytest.mark.contract('inactive is `{"active": false}` and nothing more')
@pytest.mark.spec("RFC 7662 §2.2")
def test_what_is_expired_is_inactive(world: World) -> None:
    pat = world.issue("pat", expires_in=1)
    until(lambda: not world.admin.active(pat.token))
    assert world.admin.introspect(pat.token) == INACTIVE


@pytest.mark.contract('inactive is `{"active": false}` and nothing more')
@pytest.mark.spec("RFC 7662 §2.2")
def test_the_credentials_of_a_disabled_owner_are_inactive(admin: Admin) -> None:
    world = create_world(admin)
    held = {kind: world.issue(kind) for kind in KINDS}
    for kind, path in (
        ("pat", f"/users/{world.user.id}"),
        ("m2m", f"/clients/{world.client.id}"),
        ("api_key", f"/api-keys/{held['api_key'].id}"),
    ):
        token = held[kind].token  # type: ignore[index]
        admin.change(path, {"enabled": False})
        assert admin.introspect(token) == INACTIVE
        admin.change(path, {"enabled": True})
        assert admin.introspect(token)["active"]


@pytest.mark.asvs("8.2.2")
@pytest.mark.contract(
    "introspection by a serving client or a Bearer of scope `introspect`",
    "introspection: limited to the resources that the caller serves",
)
@pytest.mark.spec("RFC 7662 §2.2")
def test_a_resource_server_sees_only_what_it_serves(world: World) -> None:
    admin, further = world.admin, unique("further") + ":read"
    second = admin.resource(permissions=[further])
    user = admin.user([world.user_role, admin.role("user", [further])])
    client = admin.client([world.machine_role, admin.role("machine", [further])])
    token = admin.pat(user, [world.read, further])["token"]
    jwt = admin.m2m(client, scope=f"{world.read} {further}")
    theirs, nobodys = admin.client(serves=[second]), admin.client()
    both = admin.client(serves=[world.resource, second])
    for one in (token, jwt):
        whole = admin.introspect(one)
        assert set(whole["aud"]) == {world.identifier, second["identifier"]}
        _shows(admin.introspect(one, world.resource_server), [world.identifier], {world.read})
        _shows(admin.introspect(one, theirs), [second["identifier"]], {further})
        assert admin.introspect(one, both) == whole
        assert admin.introspect(one, nobodys) == INACTIVE


@pytest.mark.asvs("9.2.3")
@pytest.mark.contract("introspection: limited to the resources that the caller serves")
@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize("kind", KINDS)
def test_a_token_without_an_audience_in_common_is_inactive(world: World, kind: Kind) -> None:
    stranger = world.admin.client(serves=[world.admin.resource(permissions=[unique("other") + ":read"])])
    assert world.admin.introspect(world.issue(kind).token, stranger) == INACTIVE


@pytest.mark.spec("RFC 7662 §2.2")
def test_what_a_client_serves_can_change(admin: Admin) -> None:
    world = create_world(admin)
    token = world.issue("pat").token
    admin.change(f"/clients/{world.resource_server.id}", {"serves": []})
    assert admin.introspect(token, world.resource_server) == INACTIVE
    admin.change(f"/clients/{world.resource_server.id}", {"serves": [world.identifier]})
    assert admin.introspect(token, world.resource_server)["active"]


@pytest.mark.contract("a hint is never trusted")
@pytest.mark.spec("RFC 7662 §2.1")
@pytest.mark.parametrize(
    "hint", ["access_token", "refresh_token", "personal_access_token", "api_key", "nonsense", "", "ä"]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_hint_changes_nothing(world: World, kind: Kind, hint: str) -> None:
    token = world.issue(kind).token
    assert world.admin.introspect(token, token_type_hint=hint) == world.admin.introspect(token)
    assert world.admin.introspect("x", token_type_hint=hint) == INACTIVE


@pytest.mark.contract("introspection by a serving client or a Bearer of scope `introspect`")
@pytest.mark.spec("RFC 7662 §2.1")
def test_any_token_of_scope_introspect_may_ask(world: World) -> None:
    admin = world.admin
    user = admin.user([admin.role("user", ["introspect"])])
    bearers = [
        admin.m2m(admin.client([admin.role("machine", ["introspect"])])),
        admin.pat(user, ["introspect"])["token"],
    ]
    held = world.issue("api_key")
    for bearer in bearers:
        answer = _ask(admin, {"token": held.token}, bearer)
        assert answer["jti"] == held.id


@pytest.mark.contract("introspection by a serving client or a Bearer of scope `introspect`")
@pytest.mark.spec("RFC 7662 §2.1")
def test_who_does_not_authenticate_learns_nothing(world: World) -> None:
    token = world.issue("pat").token
    response = world.admin.http.post("/oauth/introspect", data={"token": token})
    oauth_error(response, 401, "invalid_client")


@pytest.mark.contract("introspection: `token` is required")
@pytest.mark.spec("RFC 7662 §2.1")
def test_no_token_a_repeated_one_and_one_in_the_url_are_invalid_requests(world: World) -> None:
    post, auth, token = world.admin.http.post, world.resource_server.basic, world.issue("pat").token
    oauth_error(post("/oauth/introspect", data={}, auth=auth), 400, "invalid_request")
    oauth_error(post("/oauth/introspect", data={"token": ""}, auth=auth), 400, "invalid_request")
    oauth_error(post("/oauth/introspect", data={"token": [token, token]}, auth=auth), 400, "invalid_request")
    oauth_error(post("/oauth/introspect", params={"token": token}, auth=auth), 400, "invalid_request")
    hints = {"token": token, "token_type_hint": ["a", "b"]}
    oauth_error(post("/oauth/introspect", data=hints, auth=auth), 400, "invalid_request")


@pytest.mark.contract("forms in, JSON out, `no-store` and `no-cache`")
@pytest.mark.spec("RFC 7662 §2.2")
def test_an_answer_is_json_and_never_cached(world: World) -> None:
    for token in (world.issue("pat").token, "x"):
        response = world.admin.http.post("/oauth/introspect", data={"token": token}, auth=world.resource_server.basic)
        assert response.headers["Content-Type"].split(";")[0] == "application/json"
        assert "no-store" in response.headers["Cache-Control"] and response.headers["Pragma"] == "no-cache"


@pytest.mark.contract('a credential left without scope stays active with `""`')
@pytest.mark.spec("RFC 7662 §4")
def test_a_token_left_without_scope_stays_active(admin: Admin) -> None:
    world = create_world(admin)
    held = [world.issue(kind) for kind in KINDS]
    for role in (world.user_role, world.machine_role):
        admin.change(f"/roles/{role['id']}", {"permissions": []})
    for one in held[0], held[2]:
        answer = admin.introspect(one.token, world.resource_server)
        assert answer["active"] is True and answer["scope"] == ""
        assert answer["aud"] == [world.identifier]


def _shows(answer: Json, audience: list[str], scopes: set[str]) -> None:
    assert (answer["aud"], scopes_of(answer)) == (audience, scopes)


def _ask(admin: Admin, form: dict[str, str], bearer: str) -> Json:
    headers = {"Authorization": f"Bearer {bearer}"}
    answer: Json = expect(200, admin.http.post("/oauth/introspect", data=form, headers=headers)).json()
    return answer
