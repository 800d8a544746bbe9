"""What a gateway forwards of its caller's request neither grants access nor breaks anything."""

import base64
from collections.abc import Iterator

import httpx
import pytest

from tests.api import permission
from tests.gateways.conftest import ORDERS, READ, Shop
from tests.gateways.programs import Gateway, Upstream
from tests.gateways.test_paths import answer_to, port_of
from tests.gateways.test_recipes import bearer, by_forward_auth, by_mod_oauth2, reached

METHODS = ("GET", "POST", "PUT", "DELETE", "OPTIONS")
FORGED = {"X-Auth-Subject": "admin", "X-Auth-Scope": "everything"}
WEBSOCKET = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
WEBSOCKET |= {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # HAProxy refuses a handshake without one


@pytest.mark.parametrize("method", [*METHODS, "FOO", "TRACE"])
def test_no_method_reaches_the_api_without_a_credential(gateway: Gateway, upstream: Upstream, method: str) -> None:
    for headers in (FORGED, FORGED | bearer("garbage"), FORGED | WEBSOCKET):
        assert gateway.http.request(method, "/orders", headers=headers).status_code >= 400
    answer_to(port_of(gateway), method, "*")
    assert reached(upstream) == []


@by_forward_auth
@pytest.mark.parametrize("method", METHODS)
def test_every_method_reaches_the_api_with_a_valid_credential(
    gateway: Gateway, shop: Shop, upstream: Upstream, method: str
) -> None:
    headers = bearer(shop.issue("api_key", "good")) | FORGED
    assert gateway.http.request(method, "/orders", headers=headers).status_code == 200
    (seen,) = reached(upstream)
    assert "admin" not in str(seen) and "everything" not in str(seen)


@by_forward_auth
def test_a_websocket_opens_only_with_a_valid_credential(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    assert gateway.http.get("/orders", headers=WEBSOCKET).status_code == 401
    assert gateway.http.get("/orders", headers=WEBSOCKET | bearer(shop.issue("pat", "good"))).status_code == 200
    assert len(reached(upstream)) == 1


@pytest.fixture(scope="module")
def key_of_many_scopes(shop: Shop) -> Iterator[str]:
    """An API key with more scopes than a header of 4,096 bytes holds."""
    names = [f"department-{number:03}:a-rather-long-noun:read" for number in range(90)]
    admin, listed = shop.admin, shop.admin.get("/resources", params={"limit": 200}).json()["items"]
    place = next(f"/resources/{one['id']}/permissions" for one in listed if one["identifier"] == ORDERS)
    for name in names:
        admin.create(place, permission(name, public=True))
    yield str(admin.api_key(ORDERS, [READ, *names])["key"])
    for name in names:
        admin.remove(f"{place}/{name}")


@pytest.mark.contract("never more than 4,096 bytes of headers; the scopes asked for where a holder's would not fit")
@by_forward_auth
def test_a_holder_of_many_scopes_passes_a_gateway_of_small_buffers(
    gateway: Gateway, upstream: Upstream, key_of_many_scopes: str
) -> None:
    assert gateway.http.get("/orders", headers={"X-API-Key": key_of_many_scopes}).status_code == 200
    (seen,) = reached(upstream)
    assert seen["x-auth-scope"] == READ


@by_forward_auth
def test_the_credential_may_be_the_user_name(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    for password in ("", "x-oauth-basic", "x-token-auth"):
        pair = base64.b64encode(f"{shop.issue('pat', 'good')}:{password}".encode()).decode()
        assert gateway.http.get("/orders", headers={"Authorization": f"Basic {pair}"}).status_code == 200
    assert len(reached(upstream)) == 3


@by_mod_oauth2
def test_a_gateway_that_only_introspects_does_not_accept_basic(
    gateway: Gateway, shop: Shop, upstream: Upstream
) -> None:
    pair = base64.b64encode(f"{shop.issue('pat', 'good')}:".encode()).decode()
    assert gateway.http.get("/orders", headers={"Authorization": f"Basic {pair}"}).status_code == 401
    assert reached(upstream) == []


def test_a_caller_cannot_have_the_identity_headers_dropped(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    """A proxy removes the headers that `Connection` names (RFC 9110 §7.6.1): these are not the caller's to name."""
    name = "XAuthsub" if gateway.name == "apache" else "X-Auth-Subject"
    headers = list(bearer(shop.issue("pat", "good")).items())
    for named in ([name], [f"close, {name}"], [f"{name.lower()},Upgrade"], ["close", name.upper()], ["Authorization"]):
        answer = gateway.http.get("/orders", headers=[*headers, *(("Connection", one) for one in named)])
        assert answer.status_code in (200, 400, 401), named
        assert all(seen[name.lower()] == shop.user.id for seen in reached(upstream)), named


@by_forward_auth
def test_a_caller_cannot_have_its_address_dropped(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    key = shop.admin.api_key(ORDERS, allowed_ips=["127.0.0.1/32"])["key"]
    elsewhere = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=gateway.http.base_url, transport=elsewhere) as http:
        for named in ({}, {"Connection": "X-Forwarded-For"}, {"Connection": "close, x-forwarded-for"}):
            assert http.get("/orders", headers={"X-API-Key": key} | named).status_code in (400, 403), named
    assert reached(upstream) == []
    assert gateway.http.get("/orders", headers={"X-API-Key": key}).status_code == 200
