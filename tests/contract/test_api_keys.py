"""API keys in use: rotation with an overlap, allowed networks, rate limits."""

import pytest

from tests.api import Admin, Json, expect, unique
from tests.contract.refusals import challenge, invalid, problem
from tests.contract.waiting import until
from tests.contract.world import World, create_world

INACTIVE = {"active": False}


@pytest.fixture(scope="module")
def behind(configured: Admin) -> World:
    """An organisation on a server that trusts a proxy on loopback."""
    return create_world(configured)


def rotate_key(world: World, key_id: str, overlap: int) -> Json:
    answer: Json = expect(200, world.admin.post(f"/api-keys/{key_id}/rotate", {"overlap_seconds": overlap})).json()
    return answer


@pytest.mark.contract("rotate with an overlap")
def test_a_rotation_without_overlap_ends_the_old_secret_at_once(world: World) -> None:
    held = world.issue("api_key")
    new = rotate_key(world, held.id, 0)
    assert new["id"] == held.id and new["hint"].endswith(new["key"][-4:])
    assert not world.admin.active(held.token) and world.admin.active(new["key"])


@pytest.mark.contract("rotate with an overlap")
def test_the_old_secret_works_until_the_overlap_ends(world: World) -> None:
    held = world.issue("api_key")
    new = rotate_key(world, held.id, 1)
    assert world.admin.introspect(held.token)["jti"] == world.admin.introspect(new["key"])["jti"] == held.id
    until(lambda: not world.admin.active(held.token))
    assert world.admin.active(new["key"])


def test_a_second_rotation_never_lengthens_an_overlap(world: World) -> None:
    held = world.issue("api_key")
    rotate_key(world, held.id, 1)
    rotate_key(world, held.id, 604_800)
    until(lambda: not world.admin.active(held.token))


@pytest.mark.asvs("2.3.2")
@pytest.mark.contract("rotate with an overlap")
@pytest.mark.parametrize("overlap", [-1, 604_801, "x", None, 1.5, True, 10**30])
def test_an_overlap_is_a_week_at_most(world: World, overlap: object) -> None:
    held = world.issue("api_key")
    invalid(world.admin.post(f"/api-keys/{held.id}/rotate", {"overlap_seconds": overlap}), "overlap_seconds")
    assert world.admin.active(held.token)


@pytest.mark.asvs("2.3.1")
def test_a_revoked_key_cannot_be_rotated_and_its_old_secrets_are_dead(world: World) -> None:
    held = world.issue("api_key")
    new = rotate_key(world, held.id, 600)
    world.admin.remove(f"/api-keys/{held.id}")
    assert not world.admin.active(held.token) and not world.admin.active(new["key"])
    problem(world.admin.post(f"/api-keys/{held.id}/rotate", {"overlap_seconds": 0}), 409)


def test_revoking_by_either_secret_ends_the_key(world: World) -> None:
    held = world.issue("api_key")
    new = rotate_key(world, held.id, 600)
    expect(200, world.admin.revoke(held.token))
    assert not world.admin.active(new["key"])


def test_a_disabled_key_is_401(world: World) -> None:
    held = world.issue("api_key")
    world.admin.change(f"/api-keys/{held.id}", {"enabled": False})
    assert challenge(world.admin.forward_auth(held.token, world.resource), 401)["error"] == "invalid_token"


# --- allowed networks


@pytest.mark.contract("403 naming the scope, and outside the networks")
def test_a_key_used_from_outside_its_networks_is_403(world: World) -> None:
    inside = world.issue("api_key", allowed_ips=["192.0.2.0/24", "127.0.0.0/8"])
    outside = world.issue("api_key", allowed_ips=["192.0.2.0/24", "2001:db8::/32"])
    expect(200, world.admin.forward_auth(inside.token, world.resource))
    expect(403, world.admin.forward_auth(outside.token, world.resource))


@pytest.mark.asvs("4.1.3", "RFC 9700 §4.13")
@pytest.mark.contract("`TRUSTED_PROXIES`: none by default")
def test_x_forwarded_for_is_believed_from_trusted_proxies_only(world: World, behind: World) -> None:
    forged = {"X-Forwarded-For": "192.0.2.7"}
    here, there = (one.issue("api_key", allowed_ips=["192.0.2.0/24"]) for one in (world, behind))
    expect(403, world.admin.forward_auth(here.token, world.resource, headers=forged))
    expect(200, behind.admin.forward_auth(there.token, behind.resource, headers=forged))


@pytest.mark.contract("`TRUSTED_PROXIES`: none by default")
@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        ("192.0.2.7", 200),
        ("192.0.2.7, 10.0.0.1", 200),  # a trusted proxy behind the client
        ("192.0.2.7, 198.51.100.1", 403),  # the last untrusted address is the client
        ("198.51.100.1, 192.0.2.7", 200),
        ("198.51.100.1, 192.0.2.7,", 200),
        ("192.0.2.7:51234", 200),
        ("[2001:db8::7]:443", 200),
        ("198.51.100.1:443", 403),
        ("2001:db8::7%eth0", 200),
        (f"192.0.2.7, fe80::1%{'z' * 200}", 403),
        ("198.51.100.1", 403),
        ("nonsense", 403),
        ("192.0.2.7, nonsense", 403),
        ("::ffff:192.0.2.7", 200),
        ("2001:db8::7", 200),
        ("2001:db9::7", 403),
        ("", 403),
    ],
)
def test_the_peer_is_the_last_address_that_is_not_a_trusted_proxy(behind: World, forwarded: str, status: int) -> None:
    key = behind.issue("api_key", allowed_ips=["192.0.2.0/24", "2001:db8::/32"])
    expect(status, behind.admin.forward_auth(key.token, behind.resource, headers={"X-Forwarded-For": forwarded}))


@pytest.mark.contract("a key's networks at introspection: by `client_ip`, without it inactive (section 10)")
@pytest.mark.parametrize(
    ("client_ip", "active"),
    [("192.0.2.7", True), ("2001:db8::1", True), ("198.51.100.1", False), ("2001:db9::1", False)],
)
def test_introspection_judges_the_address_that_the_resource_server_sends(
    world: World, client_ip: str, active: bool
) -> None:
    key = world.issue("api_key", allowed_ips=["192.0.2.0/24", "2001:db8::/32"])
    for caller in (world.resource_server, None):
        answer = world.admin.introspect(key.token, caller, client_ip=client_ip)
        assert answer["active"] is active and (active or answer == INACTIVE)


@pytest.mark.contract("a key's networks at introspection: by `client_ip`, without it inactive (section 10)")
@pytest.mark.parametrize("kind", ["the key itself", "the token it was exchanged for"])
def test_without_client_ip_a_key_with_networks_is_inactive(world: World, kind: str) -> None:
    token = world.issue("api_key", allowed_ips=["127.0.0.0/8", "::1/128"]).token
    if kind != "the key itself":
        token = expect(200, world.admin.exchange(token, "api_key")).json()["access_token"]
    for caller in (world.resource_server, None):
        assert world.admin.introspect(token, caller) == INACTIVE
        assert world.admin.introspect(token, caller, client_ip="127.0.0.1")["active"]
        assert world.admin.introspect(token, caller, client_ip="192.0.2.7") == INACTIVE


@pytest.mark.contract("a key's networks at introspection: by `client_ip`, without it inactive (section 10)")
def test_an_ipv4_mapped_network_is_the_ipv4_network(world: World) -> None:
    key = world.issue("api_key", allowed_ips=["::ffff:127.0.0.0/104"])
    assert world.admin.introspect(key.token, client_ip="127.0.0.1")["active"]
    assert world.admin.introspect(key.token, client_ip="128.0.0.1") == INACTIVE
    expect(200, world.admin.forward_auth(key.token, world.resource))


def test_an_invalid_address_is_refused(world: World) -> None:
    key = world.issue("api_key", allowed_ips=["192.0.2.0/24"])
    for text in ("nonsense", "192.0.2", "192.0.2.0/24", "192.0.2.7, 192.0.2.8"):
        form = {"token": key.token, "client_ip": text}
        response = world.admin.http.post("/oauth/introspect", data=form, auth=world.resource_server.basic)
        assert response.status_code == 400 or response.json() == INACTIVE


def test_a_key_without_networks_is_good_from_anywhere(world: World) -> None:
    key = world.issue("api_key")
    for address in ("192.0.2.7", "2001:db8::1"):
        assert world.admin.introspect(key.token, client_ip=address)["active"]


@pytest.mark.contract("`/api-keys`: its fields, `key` once")
@pytest.mark.parametrize("networks", [["x"], ["192.0.2.1/33"], ["192.0.2.1/24"], [7], "127.0.0.0/8", [""], [None]])
def test_networks_are_cidrs(world: World, networks: object) -> None:
    body = {"name": unique("key"), "resource": world.identifier, "allowed_ips": networks}
    expect(422, world.admin.post("/api-keys", body))


# --- rate limits


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("429 with `Retry-After`", "`RATE_LIMITS=off`: the abuse limits, never the keys' own")
def test_a_spent_limit_is_429_with_retry_after_at_forward_auth(world: World) -> None:
    key = world.issue("api_key", rate_limit={"requests": 2, "window_seconds": 600})
    for _ in range(2):
        expect(200, world.admin.forward_auth(key.token, world.resource))
    response = expect(429, world.admin.forward_auth(key.token, world.resource))
    assert 1 <= int(response.headers["Retry-After"]) <= 600


def test_introspection_shows_the_limit_and_is_inactive_once_it_is_spent(world: World) -> None:
    key = world.issue("api_key", rate_limit={"requests": 2, "window_seconds": 600})
    for remaining in (1, 0):
        limit = world.admin.introspect(key.token, world.resource_server)["rate_limit"]
        assert set(limit) == {"limit", "remaining", "reset_seconds"}
        assert (limit["limit"], limit["remaining"]) == (2, remaining)
        assert 1 <= limit["reset_seconds"] <= 600
    assert world.admin.introspect(key.token, world.resource_server) == INACTIVE


def test_a_limit_comes_back_with_its_window(world: World) -> None:
    key = world.issue("api_key", rate_limit={"requests": 1, "window_seconds": 1})
    until(lambda: world.admin.forward_auth(key.token, world.resource).status_code == 429)
    until(lambda: world.admin.forward_auth(key.token, world.resource).status_code == 200)


def test_a_rotation_does_not_refill_a_limit(world: World) -> None:
    key = world.issue("api_key", rate_limit={"requests": 1, "window_seconds": 600})
    expect(200, world.admin.forward_auth(key.token, world.resource))
    new = rotate_key(world, key.id, 600)
    for token in (key.token, new["key"]):
        expect(429, world.admin.forward_auth(token, world.resource))


def test_what_is_refused_anyway_spends_nothing(world: World) -> None:
    key = world.issue("api_key", rate_limit={"requests": 1, "window_seconds": 600})
    other = world.admin.resource(public=[unique("other") + ":read"])
    expect(401, world.admin.forward_auth(key.token, other))
    expect(400, world.admin.http.get("/oauth/forward-auth", headers={"X-API-Key": key.token}))
    expect(200, world.admin.forward_auth(key.token, world.resource))


@pytest.mark.contract("`/api-keys`: its fields, `key` once")
@pytest.mark.parametrize(
    "limit",
    [
        {"requests": 0, "window_seconds": 1},
        {"requests": 1, "window_seconds": 0},
        {"requests": 1},
        {"window_seconds": 1},
        {},
        7,
        {"requests": -1, "window_seconds": 1},
        {"requests": "many", "window_seconds": 1},
        {"requests": 10**30, "window_seconds": 1},
        {"requests": 1, "window_seconds": 10**30},
        {"requests": 1, "window_seconds": 1, "burst": 1},
    ],
)
def test_a_limit_is_two_positive_numbers(world: World, limit: object) -> None:
    body = {"name": unique("key"), "resource": world.identifier, "rate_limit": limit}
    expect(422, world.admin.post("/api-keys", body))


@pytest.mark.contract("`/api-keys`: its fields, `key` once")
def test_a_limit_and_networks_can_be_changed_and_taken_away(world: World) -> None:
    key = world.issue("api_key", rate_limit={"requests": 1, "window_seconds": 600}, allowed_ips=["192.0.2.0/24"])
    path = f"/api-keys/{key.id}"
    expect(403, world.admin.forward_auth(key.token, world.resource))
    assert world.admin.change(path, {"allowed_ips": []})["allowed_ips"] == []
    changed = world.admin.change(path, {"rate_limit": None})
    assert changed["rate_limit"] is None
    for _ in range(3):
        expect(200, world.admin.forward_auth(key.token, world.resource))


@pytest.mark.asvs("2.3.2")
def test_an_exchanged_token_obeys_its_keys_networks_and_spends_its_limit(world: World) -> None:
    outside = world.issue("api_key", allowed_ips=["192.0.2.0/24"])
    assert world.admin.exchange(outside.token, "api_key").status_code == 400
    key = world.issue("api_key", rate_limit={"requests": 2, "window_seconds": 600})
    token = expect(200, world.admin.exchange(key.token, "api_key")).json()["access_token"]
    statuses = [world.admin.forward_auth(token, world.resource).status_code for _ in range(3)]
    assert statuses[-1] == 429
