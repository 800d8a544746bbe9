"""What introspection returns of a credential, to which caller."""

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

import jwt
import pytest
from sqlalchemy import update

from app.credentials.kind import RateLimit
from app.models import ApiKey, Permission
from tests.oauth.wire import ISSUER, ORDERS, OWN, STOCK, Wire, refused

INACTIVE = {"active": False}
SIGNED = "application/token-introspection+jwt"
COMMON = {"active", "credential_type", "token_type", "scope", "aud", "iss", "iat", "jti"}


# --- members


@pytest.mark.spec("RFC 7662 §2.2")
def test_a_personal_access_tokens_members_are_exactly_these(wire: Wire) -> None:
    view, token = wire.core.pat("alice", "orders:read", name="whole")
    assert wire.introspect(token) == {
        "active": True,
        "credential_type": "personal_access_token",
        "token_type": "Bearer",
        "scope": "orders:read",
        "aud": [ORDERS],
        "iss": ISSUER,
        "iat": int(wire.core.clock().timestamp()),
        "exp": int(wire.core.clock().timestamp()) + 30 * 86_400,
        "jti": view.id,
        "sub": wire.core.row_id("alice"),
        "username": "alice",
    }


@pytest.mark.spec("RFC 7662 §2.2")
def test_an_api_key_has_no_subject_and_may_never_expire(wire: Wire) -> None:
    told = wire.introspect(wire.core.key()[1])
    assert set(told) == COMMON and told["scope"] == "orders:list"


@pytest.mark.spec("RFC 7662 §2.2")
def test_a_machine_token_names_its_client_and_ends(wire: Wire) -> None:
    told = wire.introspect(wire.core.m2m("robot", "orders:read stock:read"))
    assert set(told) == COMMON | {"exp", "sub", "client_id"}
    assert told["sub"] == told["client_id"] == "robot" and set(told["aud"]) == {ORDERS, STOCK}


@pytest.mark.spec("RFC 8693 §4.1")
def test_an_exchanged_token_shows_its_subjects_members_and_its_actor(wire: Wire) -> None:
    pat, key = wire.core.pat("alice", "orders:read", name="swapped")[1], wire.core.key()[1]
    of_pat = wire.introspect(wire.core.exchange(pat))
    assert set(of_pat) == COMMON | {"exp", "sub", "username", "exchanged"} and of_pat["exchanged"] is True
    of_key = wire.introspect(wire.core.exchange(key, client_id="robot"))
    assert set(of_key) == COMMON | {"exp", "exchanged", "act"} and of_key["act"] == {"sub": "robot"}
    assert of_key["credential_type"] == "api_key"


# --- who sees what


@pytest.mark.spec("RFC 7662 §2.2")
def test_a_resource_server_sees_only_what_it_serves(wire: Wire) -> None:
    token = wire.core.m2m("robot", "orders:read stock:read")
    seen = wire.introspect(token, wire.shop)
    assert seen["aud"] == [ORDERS] and seen["scope"] == "orders:read"
    assert wire.introspect(token, wire.stockist)["scope"] == "stock:read"
    assert wire.introspect(token, wire.robot) == INACTIVE
    assert wire.introspect(wire.core.key()[1], wire.stockist) == INACTIVE


@pytest.mark.spec("RFC 7662 §2.1")
def test_the_caller_authenticates_by_any_method(wire: Wire) -> None:
    token = wire.core.key()[1]
    client_id, secret = wire.shop
    by_post = wire.post("introspect", {"token": token, "client_id": client_id, "client_secret": secret})
    assert by_post.json["active"]
    assert wire.post("introspect", {"token": token} | wire.assertion()).json == INACTIVE  # it serves nothing


@pytest.mark.spec("RFC 7662 §2.3", "RFC 6750 §3.1")
def test_a_bearer_that_will_not_do_is_challenged(wire: Wire) -> None:
    core = wire.core
    other_audience = core.m2m("robot", "orders:read")
    for bearer in ("", "nonsense", core.key()[1], core.exchange(core.key()[1]), other_audience, "lk_pat_" + "0" * 38):
        response = wire.post("introspect", {"token": "x"}, bearer)
        refused(response, 401, "invalid_token")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scope", ["introspect", "manage"])
def test_introspect_and_manage_see_all(wire: Wire, scope: str) -> None:
    wire.core.role(f"sees by {scope}", "machine", scope)
    wire.core.client(f"seer by {scope}", f"sees by {scope}")
    bearer = wire.core.m2m(f"seer by {scope}", scope, OWN)
    assert wire.introspect(wire.core.key()[1], bearer)["active"]
    wire.core.assign(f"seer by {scope}")  # and at once no longer
    refused(wire.post("introspect", {"token": "x"}, bearer), 403, "insufficient_scope")


def test_an_api_key_never_introspects_even_one_for_our_own_api(own_wire: Callable[..., Wire]) -> None:
    wire = own_wire()
    view, key = wire.core.key()
    with wire.core.store.transaction() as session:
        session.execute(update(ApiKey).where(ApiKey.id == view.id).values(resource_id=wire.core.row_id(OWN)))
        session.execute(update(Permission).where(Permission.name == "introspect").values(public=True))
    assert wire.core.scope(key) == "introspect"
    refused(wire.post("introspect", {"token": "x"}, key), 401, "invalid_token")


@pytest.mark.spec("RFC 6749 §2.3")
def test_a_bearer_and_a_client_at_once_are_refused(wire: Wire) -> None:
    form = {"token": "x", "client_id": wire.shop[0], "client_secret": wire.shop[1]}
    refused(wire.post("introspect", form, wire.bearer), 400, "invalid_request")
    refused(wire.post("introspect", {"token": "x"} | wire.assertion(), wire.bearer), 400, "invalid_request")


@pytest.mark.spec("RFC 7662 §4")
def test_introspection_requires_authentication(wire: Wire) -> None:
    refused(wire.post("introspect", {"token": wire.core.key()[1]}), 401, "invalid_client")
    refused(wire.post("introspect", {}, wire.shop), 400, "invalid_request")


# --- an API key's networks and rate


@pytest.mark.parametrize(
    ("client_ip", "active"),
    [("192.0.2.7", True), ("2001:db8::7", True), ("::ffff:192.0.2.7", True), ("192.0.3.1", False), ("::1", False)],
)
def test_a_key_is_inactive_outside_its_networks(wire: Wire, client_ip: str, active: bool) -> None:
    key = wire.core.key(allowed_ips=("192.0.2.0/24", "2001:db8::/32"))[1]
    assert wire.introspect(key, client_ip=client_ip)["active"] is active
    exchanged = wire.core.exchange(key, address=ip_address("192.0.2.1"))
    assert wire.introspect(exchanged, client_ip=client_ip)["active"] is active
    assert wire.introspect(wire.core.m2m("robot", "orders:read"), client_ip=client_ip)["active"]


def test_without_client_ip_a_key_with_networks_is_inactive(wire: Wire) -> None:
    key = wire.core.key(allowed_ips=("0.0.0.0/0", "::/0"))[1]
    exchanged = wire.core.exchange(key, address=ip_address("192.0.2.1"))
    for token in (key, exchanged):
        assert wire.introspect(token) == wire.introspect(token, client_ip="") == INACTIVE
        assert wire.introspect(token, client_ip="192.0.2.7")["active"]
    signed = wire.post("introspect", {"token": key}, wire.shop, headers={"Accept": SIGNED})
    assert jwt.decode(signed.get_data(True), options={"verify_signature": False})["token_introspection"] == INACTIVE


@pytest.mark.parametrize("client_ip", ["x", "1.2.3", "1.2.3.4/24", "\x00", "1.2.3.4, 5.6.7.8", "999.1.1.1"])
def test_a_malformed_client_ip_is_refused(wire: Wire, client_ip: str) -> None:
    refused(wire.post("introspect", {"token": "x", "client_ip": client_ip}, wire.shop), 400, "invalid_request")


def test_a_rate_limit_counts_down_and_then_the_key_is_inactive(wire: Wire) -> None:
    key = wire.core.key(rate_limit=RateLimit(2, 60))[1]
    limits = [wire.introspect(key)["rate_limit"] for _ in range(2)]
    assert [(one["limit"], one["remaining"]) for one in limits] == [(2, 1), (2, 0)]
    assert all(
        set(one) == {"limit", "remaining", "reset_seconds"} and 1 <= one["reset_seconds"] <= 60 for one in limits
    )
    assert wire.introspect(key) == INACTIVE
    wire.core.clock.advance(seconds=61)
    assert wire.introspect(key)["rate_limit"]["remaining"] == 1


def test_only_a_use_that_is_seen_counts(wire: Wire) -> None:
    key = wire.core.key(rate_limit=RateLimit(1, 60), allowed_ips=("192.0.2.0/24",))[1]
    for _ in range(3):
        assert wire.introspect(key, wire.stockist) == INACTIVE  # not its resource
        assert wire.introspect(key, client_ip="10.0.0.1") == INACTIVE  # not its network
    assert wire.introspect(key, wire.shop, client_ip="192.0.2.1")["rate_limit"]["remaining"] == 0


def test_a_key_without_a_limit_has_no_such_member(wire: Wire) -> None:
    assert "rate_limit" not in wire.introspect(wire.core.key()[1])


def test_a_use_is_noted_only_when_active(wire: Wire) -> None:
    (used, token), (unused, other) = (wire.core.pat("alice", "orders:read", name=name) for name in ("used", "unused"))
    wire.introspect(token, wire.shop)
    wire.introspect(other, wire.stockist)
    wire.core.actions.usage.flush()
    alice = wire.core.row_id("alice")
    pats = wire.core.actions.personal_access_tokens
    assert pats.get(alice, used.id).last_used_at == wire.core.clock()
    assert pats.get(alice, unused.id).last_used_at is None


# --- signed answers


@pytest.mark.spec("RFC 9701 §5")
def test_a_signed_answer_is_for_the_caller_and_says_the_same(wire: Wire) -> None:
    token = wire.core.m2m("robot", "orders:read")
    for auth, caller in ((wire.shop, "shop"), (wire.bearer, None)):
        for asked in (token, "unknown"):
            claims = signed_answer(wire, asked, auth)
            assert set(claims) == {"iss", "aud", "iat", "token_introspection"} and claims["iss"] == ISSUER
            assert claims["token_introspection"] == wire.introspect(asked, auth)
            assert caller is None or claims["aud"] == caller


@pytest.mark.spec("RFC 9701 §4")
@pytest.mark.parametrize("accept", ["", "*/*", "application/json", "application/*", "text/html", f"{SIGNED};q=0"])
def test_json_is_for_everybody_else(wire: Wire, accept: str) -> None:
    response = wire.post("introspect", {"token": "x"}, wire.shop, headers={"Accept": accept})
    assert response.content_type == "application/json" and response.json == INACTIVE
    assert response.headers["Cache-Control"] == "no-store" and response.headers["Pragma"] == "no-cache"


def test_each_refusal_is_json_whatever_is_accepted(wire: Wire) -> None:
    refused(wire.post("introspect", {}, wire.shop, headers={"Accept": SIGNED}), 400, "invalid_request")
    refused(wire.post("introspect", {"token": "x"}, headers={"Accept": SIGNED}), 401, "invalid_client")


def signed_answer(wire: Wire, token: str, auth: Any) -> dict[str, Any]:
    """Ask for a signed answer, verify it with the published keys and give its claims."""
    response = wire.post("introspect", {"token": token}, auth, headers={"Accept": SIGNED})
    assert response.status_code == 200 and response.content_type == SIGNED
    header = jwt.get_unverified_header(response.text)
    assert header["typ"] == "token-introspection+jwt"
    published: Any = wire.http.get("/.well-known/jwks.json").json
    key = jwt.PyJWKSet.from_dict(published)[header["kid"]]
    options: Any = {"verify_aud": False, "verify_iat": False}  # our clock is in the future
    claims: dict[str, Any] = jwt.decode(response.text, key, algorithms=["ES256"], options=options)
    return claims


def test_no_bearer_of_a_disabled_owner_introspects(own_wire: Callable[..., Wire]) -> None:
    wire = own_wire()
    wire.core.role("introspecting person", "user", "introspect")
    wire.core.user("ann", "introspecting person")
    bearer = wire.core.pat("ann", "introspect")[1]
    assert wire.introspect("x", bearer) == INACTIVE
    wire.core.enable("ann", False)
    refused(wire.post("introspect", {"token": "x"}, bearer), 401, "invalid_token")
