"""RFC 8693: exchange a PAT or an API key for a short-lived JWT."""

import time
from typing import Any

import jwt
import pytest

from tests.api import Admin, Client, Json, expect, unique
from tests.contract.refusals import oauth_error
from tests.contract.waiting import until
from tests.contract.world import Kind, World, create_world, scopes_of

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
LOGTO = "urn:logto:token-type:personal_access_token"
URN: dict[Kind, str] = {"pat": "personal_access_token", "api_key": "api_key"}
SUBJECTS: tuple[Kind, ...] = ("pat", "api_key")


def unverified(token: str) -> Json:
    claims: Json = jwt.decode(token, options={"verify_signature": False})
    return claims


def exchanged(world: World, kind: Kind, token: str, as_client: Client | None = None, **parameters: Any) -> Json:
    answer: Json = expect(200, world.admin.exchange(token, URN[kind], as_client, **parameters)).json()
    return answer


@pytest.mark.contract("exchange: the answer, `issued_token_type`")
@pytest.mark.spec("RFC 8693 §2.2.1")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_the_answer_has_the_members_of_section_2_2_1(world: World, kind: Kind) -> None:
    answer = exchanged(world, kind, world.issue(kind).token)
    assert set(answer) == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert answer["issued_token_type"] == ACCESS_TOKEN and answer["token_type"] == "Bearer"
    assert scopes_of(answer) == {world.read, world.write}
    assert type(answer["expires_in"]) is int and 0 < answer["expires_in"] <= 3600


@pytest.mark.spec("RFC 8693 §2.2.1")
def test_the_answer_is_never_cached(world: World) -> None:
    response = world.admin.exchange(world.issue("pat").token, URN["pat"])
    assert "no-store" in response.headers["Cache-Control"] and response.headers["Pragma"] == "no-cache"


@pytest.mark.contract("exchange: subject token types, Logto's too")
@pytest.mark.spec("RFC 8693 §2.1")
def test_each_subject_token_type_that_the_contract_names_is_taken(world: World) -> None:
    pat, key = world.issue("pat").token, world.issue("api_key").token
    for token, urn in ((pat, LOGTO), (pat, ACCESS_TOKEN), (key, ACCESS_TOKEN)):
        expect(200, world.admin.exchange(token, urn))


@pytest.mark.contract("exchange: a bad subject token is `invalid_request`, so is a JWT")
@pytest.mark.spec("RFC 8693 §2.2.2")
def test_a_subject_token_type_that_is_not_the_tokens_is_refused(world: World) -> None:
    pat, key = world.issue("pat").token, world.issue("api_key").token
    for token, urn in ((pat, "api_key"), (key, "personal_access_token"), (key, LOGTO), (pat, "urn:x:y"), (pat, "urn:")):
        oauth_error(world.admin.exchange(token, urn), 400, "invalid_request")
    for other in ("refresh_token", "id_token", "saml2", "jwt"):
        urn = f"urn:ietf:params:oauth:token-type:{other}"
        oauth_error(world.admin.exchange(pat, urn), 400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.parametrize("missing", ["subject_token", "subject_token_type"])
def test_a_missing_parameter_is_an_invalid_request(world: World, missing: str) -> None:
    form = {"grant_type": GRANT, "subject_token": world.issue("pat").token, "subject_token_type": LOGTO}
    oauth_error(world.admin.token_request(form | {missing: ""}), 400, "invalid_request")
    del form[missing]
    oauth_error(world.admin.token_request(form), 400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.1")
def test_a_repeated_parameter_is_an_invalid_request(world: World) -> None:
    token = world.issue("pat").token
    for name, value in (("subject_token", token), ("subject_token_type", LOGTO), ("scope", world.read)):
        repeated: dict[str, Any] = {name: [value, value]}
        response = world.admin.exchange(token, LOGTO, **repeated)
        oauth_error(response, 400, "invalid_request")


@pytest.mark.contract("exchange: a bad subject token is `invalid_request`, so is a JWT")
@pytest.mark.spec("RFC 8693 §2.2.2")
def test_a_subject_token_that_is_not_active_is_an_invalid_request(world: World) -> None:
    revoked, short = world.issue("pat"), world.issue("pat", expires_in=1)
    world.admin.revoke(revoked.token)
    until(lambda: not world.admin.active(short.token))
    for token in (revoked.token, short.token, "lk_pat_" + "0" * 38, "x", "ä", "\x00", world.client.client_secret):
        for urn in (URN["pat"], ACCESS_TOKEN):
            oauth_error(world.admin.exchange(token, urn), 400, "invalid_request")


@pytest.mark.contract("exchange: a bad subject token is `invalid_request`, so is a JWT")
@pytest.mark.spec("RFC 8693 §2.2.2")
@pytest.mark.parametrize("urn", [ACCESS_TOKEN, "personal_access_token", "api_key"])
def test_a_jwt_is_never_a_subject(world: World, urn: str) -> None:
    once = exchanged(world, "pat", world.issue("pat").token)["access_token"]
    for token in (world.issue("m2m").token, once):
        oauth_error(world.admin.exchange(token, urn), 400, "invalid_request")
        oauth_error(world.admin.exchange(token, urn, world.client), 400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.1")
def test_an_access_token_is_all_that_can_be_requested(world: World) -> None:
    token = world.issue("pat").token
    exchanged(world, "pat", token, requested_token_type=ACCESS_TOKEN)
    for other in ("urn:ietf:params:oauth:token-type:refresh_token", LOGTO, "x"):
        response = world.admin.exchange(token, URN["pat"], requested_token_type=other)
        oauth_error(response, 400, "invalid_request")


@pytest.mark.spec("RFC 8693 §2.1")
def test_an_actor_token_is_refused_and_not_ignored(world: World) -> None:
    token, actor = world.issue("pat").token, world.issue("m2m").token
    both: list[dict[str, Any]] = [{"actor_token": actor, "actor_token_type": ACCESS_TOKEN}, {"actor_token": actor}]
    for parameters in both:
        oauth_error(world.admin.exchange(token, URN["pat"], **parameters), 400, "invalid_request")


@pytest.mark.asvs("RFC 9700 §2.3")
@pytest.mark.contract("exchange: `scope` and `resource` narrow")
@pytest.mark.spec("RFC 8693 §2.1")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_scope_and_resource_narrow_and_never_widen(world: World, kind: Kind) -> None:
    admin, token = world.admin, world.issue(kind).token
    answer = exchanged(world, kind, token, scope=world.read, resource=world.identifier)
    assert answer["scope"] == world.read
    assert unverified(answer["access_token"])["scope"] == world.read
    other = unique("other") + ":read"
    resource = admin.resource(public=[other])
    for wanted in (other, f"{world.read} {other}", "manage"):
        description = oauth_error(admin.exchange(token, URN[kind], scope=wanted), 400, "invalid_scope")
        assert wanted.split()[-1] in description
    for identifier in (resource["identifier"], "https://unknown.example/", admin.identifier):
        oauth_error(admin.exchange(token, URN[kind], resource=identifier), 400, "invalid_target")


@pytest.mark.contract("exchange: `scope` and `resource` narrow")
@pytest.mark.spec("RFC 8693 §2.1")
def test_a_token_narrower_than_its_owner_does_not_widen(world: World) -> None:
    held = world.issue("pat", scopes=[world.read])
    assert exchanged(world, "pat", held.token)["scope"] == world.read
    oauth_error(world.admin.exchange(held.token, URN["pat"], scope=world.write), 400, "invalid_scope")


@pytest.mark.contract(
    "exchange: `sub` is the user, or the key's id that introspection does not show",
    "exchange: client optional; `client_id` and `act`, or the subject token's id",
)
@pytest.mark.spec("RFC 8693 §4")
def test_the_jwt_of_a_pat_is_the_users(world: World) -> None:
    held = world.issue("pat")
    claims = unverified(exchanged(world, "pat", held.token)["access_token"])
    assert claims["sub"] == world.user.id
    assert claims["client_id"] == held.id  # nobody authenticated: the subject token's own id
    assert claims["aud"] == world.identifier and claims["iss"] == world.admin.issuer
    assert "act" not in claims


@pytest.mark.contract("exchange: `sub` is the user, or the key's id that introspection does not show")
@pytest.mark.spec("RFC 8693 §4")
def test_the_jwt_of_an_api_key_has_the_keys_id_and_introspection_shows_none(world: World) -> None:
    held = world.issue("api_key")
    token = exchanged(world, "api_key", held.token)["access_token"]
    assert unverified(token)["sub"] == held.id
    assert not {"sub", "username", "client_id"} & set(world.admin.introspect(token))


@pytest.mark.contract("exchange: client optional; `client_id` and `act`, or the subject token's id")
@pytest.mark.spec("RFC 8693 §4.1")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_an_authenticated_client_is_named_as_actor(world: World, kind: Kind) -> None:
    claims = unverified(exchanged(world, kind, world.issue(kind).token, world.client)["access_token"])
    assert claims["client_id"] == world.client.client_id
    assert claims["act"]["sub"] == world.client.client_id


@pytest.mark.asvs("10.4.10")
@pytest.mark.contract("exchange: client optional; `client_id` and `act`, or the subject token's id")
@pytest.mark.spec("RFC 8693 §2.1")
def test_a_client_that_fails_to_authenticate_gets_nothing(world: World) -> None:
    wrong = Client("", world.client.client_id, "wrong")
    oauth_error(world.admin.exchange(world.issue("pat").token, URN["pat"], wrong), 401, "invalid_client")


@pytest.mark.contract("exchange: never outlives its subject token")
@pytest.mark.spec("RFC 8693 §2.2.1")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_it_never_outlives_its_subject_token(world: World, kind: Kind) -> None:
    ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 120))
    held = world.issue(kind, expires_at=ends)
    answer = exchanged(world, kind, held.token)
    subject = world.admin.introspect(held.token)
    assert unverified(answer["access_token"])["exp"] <= subject["exp"]
    assert answer["expires_in"] <= 120


@pytest.mark.spec("RFC 8693 §2.2.1")
def test_its_lifetime_is_the_resources(admin: Admin) -> None:
    world = create_world(admin)
    admin.change(f"/resources/{world.resource['id']}", {"access_token_ttl": 90})
    assert 88 <= exchanged(world, "pat", world.issue("pat").token)["expires_in"] <= 90


@pytest.mark.contract("exchange: dies with the secret it was made from")
@pytest.mark.spec("RFC 8693 §1")
def test_it_dies_with_a_regenerated_token(world: World) -> None:
    held = world.issue("pat")
    token = exchanged(world, "pat", held.token)["access_token"]
    path = f"/me/personal-access-tokens/{held.id}/regenerate"
    renewed = expect(200, world.admin.post(path, {}, auth=world.user.basic)).json()
    assert not world.admin.active(token)
    assert world.admin.active(exchanged(world, "pat", renewed["token"])["access_token"])


@pytest.mark.contract("exchange: dies with the secret it was made from")
@pytest.mark.spec("RFC 8693 §1")
def test_it_lives_through_a_rotations_overlap_and_no_longer(world: World) -> None:
    held = world.issue("api_key")
    before = exchanged(world, "api_key", held.token)["access_token"]
    path = f"/api-keys/{held.id}/rotate"
    expect(200, world.admin.post(path, {"overlap_seconds": 60}))
    assert world.admin.active(before)
    within = exchanged(world, "api_key", held.token)
    assert within["expires_in"] <= 60
    expect(200, world.admin.post(path, {"overlap_seconds": 0}))
    assert not world.admin.active(before) and not world.admin.active(within["access_token"])


@pytest.mark.contract("exchange: dies with its subject token")
@pytest.mark.spec("RFC 8693 §1")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_it_dies_with_a_deleted_subject_and_with_its_disabled_owner(admin: Admin, kind: Kind) -> None:
    world = create_world(admin)
    held = world.issue(kind)
    token = exchanged(world, kind, held.token)["access_token"]
    owner = f"/users/{world.user.id}" if kind == "pat" else f"/api-keys/{held.id}"
    admin.change(owner, {"enabled": False})
    assert not admin.active(token)
    admin.change(owner, {"enabled": True})
    assert admin.active(token)
    path = f"/users/{world.user.id}/personal-access-tokens/{held.id}" if kind == "pat" else f"/api-keys/{held.id}"
    admin.remove(path)
    assert not admin.active(token)


@pytest.mark.spec("RFC 8693 §1")
def test_it_shrinks_with_the_roles_of_its_user(admin: Admin) -> None:
    world = create_world(admin)
    token = exchanged(world, "pat", world.issue("pat").token)["access_token"]
    admin.change(f"/roles/{world.user_role['id']}", {"permissions": [world.read]})
    assert admin.introspect(token)["scope"] == world.read
    admin.change(f"/users/{world.user.id}", {"roles": []})
    assert admin.introspect(token)["scope"] == ""


@pytest.mark.spec("RFC 8693 §2.2.1")
@pytest.mark.parametrize("kind", SUBJECTS)
def test_it_opens_what_its_subject_opens(world: World, kind: Kind) -> None:
    token = exchanged(world, kind, world.issue(kind).token)["access_token"]
    response = expect(200, world.admin.forward_auth(token, world.resource, world.read))
    assert response.headers["X-Auth-Subject"] == (world.user.id if kind == "pat" else "")
