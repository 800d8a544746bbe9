"""Signing keys: rotated without a gap, each published before it signs."""

import jwt
import pytest

from tests.api import Admin, Json, expect
from tests.contract.refusals import problem
from tests.contract.world import World, create_world

FIELDS = {"kid", "alg", "created_at", "retires_at"}


@pytest.fixture(scope="module")
def mine(many: Admin) -> World:
    """An organisation on a server of two processes, whose keys may be rotated."""
    return create_world(many)


def published_kids(admin: Admin) -> set[str]:
    return {key["kid"] for key in admin.http.get("/.well-known/jwks.json").json()["keys"]}


def kid(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


def list_keys(admin: Admin) -> list[Json]:
    items: list[Json] = expect(200, admin.get("/signing-keys")).json()["items"]
    return items


def rotate(admin: Admin) -> None:
    assert admin.request("POST", "/signing-keys/rotate").status_code in (200, 201, 204)


def verify(world: World, keys: jwt.PyJWKClient, token: str) -> None:
    key = keys.get_signing_key_from_jwt(token)
    jwt.decode(token, key, algorithms=["ES256"], audience=world.identifier, issuer=world.admin.issuer)


@pytest.mark.contract("`/signing-keys`, rotate")
def test_the_list_shows_kid_alg_and_times_and_nothing_private(mine: World) -> None:
    for key in list_keys(mine.admin):
        assert set(key) >= FIELDS and key["alg"] == "ES256"
        assert not {"d", "sealed_private_key", "private"} & set(key)
    assert {key["kid"] for key in list_keys(mine.admin)} == published_kids(mine.admin)


@pytest.mark.contract("`/signing-keys`, rotate", "`PyJWKClient` refetches an unknown `kid` after 30 s only")
def test_a_verifier_that_fetched_once_follows_a_rotation_without_a_gap(mine: World) -> None:
    keys = jwt.PyJWKClient(f"{mine.admin.server.url}/.well-known/jwks.json", cache_keys=True, lifespan=3600)
    old = mine.issue("m2m").token
    verify(mine, keys, old)
    fetched = keys.jwk_set_cache.get() if keys.jwk_set_cache else None
    rotate(mine.admin)
    for _ in range(4):  # several processes may sign
        new = mine.issue("m2m").token
        assert kid(new) != kid(old)
        verify(mine, keys, new)
        assert mine.admin.active(new)
    verify(mine, keys, old)
    assert mine.admin.active(old)
    assert keys.jwk_set_cache is None or keys.jwk_set_cache.get() is fetched


@pytest.mark.asvs("11.1.1")
@pytest.mark.contract("the retiring key stays until its last token ended")
def test_the_next_key_is_published_before_and_the_old_one_after(mine: World) -> None:
    before, signed_by = published_kids(mine.admin), kid(mine.issue("m2m").token)
    rotate(mine.admin)
    now = kid(mine.issue("m2m").token)
    assert now in before and now != signed_by
    assert signed_by in published_kids(mine.admin) and len(published_kids(mine.admin) - before) == 1
    retiring = {key["kid"]: key["retires_at"] for key in list_keys(mine.admin)}
    assert retiring[signed_by].endswith("Z") and retiring[now] is None


@pytest.mark.asvs("11.2.2")
def test_rotating_twice_in_a_row_keeps_every_token_alive(mine: World) -> None:
    tokens = [mine.issue("m2m").token]
    for _ in range(2):
        rotate(mine.admin)
        tokens.append(mine.issue("m2m").token)
    assert len({kid(token) for token in tokens}) == 3
    assert all(mine.admin.active(token) for token in tokens)


def test_a_rotation_asks_for_its_scope_and_leaves_a_trace(mine: World) -> None:
    admin = mine.admin
    reader = admin.m2m(admin.client([admin.role("machine", ["keys:read"])]))
    expect(200, admin.get("/signing-keys", auth=reader))
    problem(admin.request("POST", "/signing-keys/rotate", auth=reader), 403)
    rotate(admin)
    assert admin.get("/audit-events", params={"action": "signing_key.rotate"}).json()["items"]


@pytest.mark.contract("`/signing-keys/{kid}`, revoked at once with its tokens")
def test_a_revoked_key_ends_its_tokens_in_every_process(mine: World) -> None:
    admin, token = mine.admin, mine.issue("m2m").token
    assert all(admin.active(token) for _ in range(6))
    reader = admin.m2m(admin.client([admin.role("machine", ["keys:read"])]))
    place = f"/signing-keys/{kid(token)}"
    problem(admin.request("DELETE", place, auth=reader), 403)
    assert admin.request("DELETE", place).status_code == 204
    admin.forget_token()
    assert not any(admin.active(token) for _ in range(6))
    assert kid(token) not in published_kids(admin) and admin.active(mine.issue("m2m").token)
    problem(admin.request("DELETE", place), 404)
    assert admin.get("/audit-events", params={"action": "signing_key.revoke"}).json()["items"][0]["target"] == kid(
        token
    )


def test_a_token_of_another_server_is_inactive(mine: World, admin: Admin) -> None:
    assert not mine.admin.active(admin.token()) and not admin.active(mine.admin.token())
