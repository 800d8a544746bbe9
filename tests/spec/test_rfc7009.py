"""RFC 7009: the holder of a token revokes it."""

import pytest

from tests.api import Admin, Client, expect
from tests.contract.refusals import oauth_error
from tests.contract.world import KINDS, Credential, Kind, World, create_world

pytestmark = pytest.mark.both_databases


def is_gone(world: World, credential: Credential) -> bool:
    return not world.admin.active(credential.token)


@pytest.mark.contract("revocation by possession; by the client")
@pytest.mark.spec("RFC 7009 §2.1")
@pytest.mark.parametrize("kind", ["pat", "api_key"])
def test_possession_proves_the_right_to_revoke_an_opaque_credential(world: World, kind: Kind) -> None:
    held = world.issue(kind)
    response = expect(200, world.admin.revoke(held.token))
    assert response.content == b""
    assert "no-store" in response.headers["Cache-Control"] and response.headers["Pragma"] == "no-cache"
    assert is_gone(world, held)


@pytest.mark.contract("revocation by possession; by the client")
@pytest.mark.spec("RFC 7009 §2.1")
def test_a_machine_token_is_revoked_by_its_client(world: World) -> None:
    held = world.issue("m2m")
    assert expect(200, world.admin.revoke(held.token, world.client)).content == b""
    assert is_gone(world, held)


@pytest.mark.asvs("10.4.10")
@pytest.mark.contract("an M2M token without a client: 401; another client's: 400, and it lives")
@pytest.mark.spec("RFC 7009 §2.1")
def test_a_machine_token_without_client_authentication_is_invalid_client(world: World) -> None:
    held = world.issue("m2m")
    oauth_error(world.admin.revoke(held.token), 401, "invalid_client")
    assert not is_gone(world, held)


@pytest.mark.contract("an M2M token without a client: 401; another client's: 400, and it lives")
@pytest.mark.spec("RFC 7009 §2.1")
def test_another_clients_token_is_invalid_grant_and_stays_alive(world: World) -> None:
    held = world.issue("m2m")
    oauth_error(world.admin.revoke(held.token, world.resource_server), 400, "invalid_grant")
    assert not is_gone(world, held)


@pytest.mark.spec("RFC 7009 §2.1")
def test_a_client_that_fails_to_authenticate_revokes_nothing(world: World) -> None:
    for held in map(world.issue, KINDS):
        wrong = Client("", world.client.client_id, "wrong")
        oauth_error(world.admin.revoke(held.token, wrong), 401, "invalid_client")
        assert not is_gone(world, held)


@pytest.mark.contract("revocation: always 200 and empty, whether the token is known or not")
@pytest.mark.spec("RFC 7009 §2.2")
@pytest.mark.parametrize(
    "token",
    ["lk_pat_" + "0" * 38, "lk_key_x", "x", "a.b.c", "ä", "\x00", " ", "x" * 20_000, "eyJhbGciOiJub25lIn0.e30."],
)
def test_what_is_unknown_is_revoked_already(admin: Admin, token: str) -> None:
    assert expect(200, admin.revoke(token)).content == b""


@pytest.mark.contract("revocation: always 200 and empty, whether the token is known or not")
@pytest.mark.spec("RFC 7009 §2.2")
@pytest.mark.parametrize("kind", KINDS)
def test_revoking_twice_is_fine(world: World, kind: Kind) -> None:
    held, by = world.issue(kind), world.client if kind == "m2m" else None
    for _ in range(2):
        expect(200, world.admin.revoke(held.token, by))
    assert is_gone(world, held)


@pytest.mark.spec("RFC 7009 §2.1")
@pytest.mark.parametrize("hint", ["access_token", "refresh_token", "personal_access_token", "nonsense", ""])
@pytest.mark.parametrize("kind", KINDS)
def test_a_hint_changes_nothing(world: World, kind: Kind, hint: str) -> None:
    held, by = world.issue(kind), world.client if kind == "m2m" else None
    expect(200, world.admin.revoke(held.token, by, token_type_hint=hint))
    assert is_gone(world, held)


@pytest.mark.spec("RFC 7009 §2.1")
def test_no_token_a_repeated_one_and_one_in_the_url_are_invalid_requests(world: World) -> None:
    post, held = world.admin.http.post, world.issue("pat")
    oauth_error(post("/oauth/revoke", data={}), 400, "invalid_request")
    oauth_error(post("/oauth/revoke", data={"token": ""}), 400, "invalid_request")
    oauth_error(post("/oauth/revoke", data={"token": [held.token, held.token]}), 400, "invalid_request")
    oauth_error(post("/oauth/revoke", params={"token": held.token}), 400, "invalid_request")
    assert not is_gone(world, held)


@pytest.mark.contract("exchange: dies with its subject token")
@pytest.mark.spec("RFC 7009 §2")
def test_what_was_exchanged_for_a_revoked_credential_dies_with_it(world: World) -> None:
    for kind, urn in (("pat", "personal_access_token"), ("api_key", "api_key")):
        held = world.issue(kind)  # type: ignore[arg-type]
        token = expect(200, world.admin.exchange(held.token, urn)).json()["access_token"]
        assert world.admin.active(token)
        expect(200, world.admin.revoke(held.token))
        assert not world.admin.active(token)


@pytest.mark.spec("RFC 7009 §2")
def test_revoking_an_exchanged_token_leaves_its_subject_alive(world: World) -> None:
    held = world.issue("pat")
    token = expect(200, world.admin.exchange(held.token, "personal_access_token")).json()["access_token"]
    expect(200, world.admin.revoke(token))
    assert not world.admin.active(token) and not is_gone(world, held)


@pytest.mark.spec("RFC 7009 §2")
def test_one_revoked_machine_token_leaves_the_clients_others_alive(admin: Admin) -> None:
    world = create_world(admin)
    one, other = world.issue("m2m"), world.issue("m2m")
    expect(200, admin.revoke(one.token, world.client))
    assert is_gone(world, one) and not is_gone(world, other)


@pytest.mark.spec("RFC 7009 §2")
def test_revoking_shows_in_the_audit_trail_without_the_secret(world: World) -> None:
    held = world.issue("pat")
    world.admin.revoke(held.token)
    events = world.admin.get("/audit-events", params={"target": held.id}).json()["items"]
    assert "personal_access_token.revoke" in [event["action"] for event in events]
    assert held.token not in str(events)
