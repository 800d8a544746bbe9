"""Envoy: ext_authz accepts and refuses each kind of credential, jwt_authn JWTs alone and until they expire."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.dpop import Prover
from tests.gateways.conftest import ORDERS, READ
from tests.gateways.programs import Upstream
from tests.gateways.test_recipes import bound_token
from tests.resource_servers.proxies import running
from tests.resource_servers.recipes import JWTS
from tests.resource_servers.shop import CASES, OrdersShop

STATUS = {"good": 200, "narrow": 403, "elsewhere": 401, "revoked": 401, "expired": 401}
LOCALLY = STATUS | {"elsewhere": 403, "revoked": 200}  # jwt_authn knows no revocation
SPELLINGS = ("/orders", "/local/orders", "//orders", "/local/../orders", "/%6frders", "/local%2forders", "/orders/")
IDENTITY = ("credential-type", "subject", "username", "client-id", "scope", "credential-id")


@pytest.fixture(scope="module")
def envoy(settings: dict[str, str], _api: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running("envoy", tmp_path_factory.mktemp("envoy"), settings, _api.address) as http:
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.contract("recipes in other languages: good, revoked, expired, for another API, too narrow, of each kind")
@pytest.mark.parametrize(("kind", "condition"), CASES)
def test_only_a_good_credential_reads_the_orders(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream, kind: str, condition: str
) -> None:
    answer = envoy.get("/orders", headers=bearer(orders.issue(kind, condition)))
    assert answer.status_code == STATUS[condition]
    assert len(upstream.seen) == (1 if condition == "good" else 0)
    assert condition == "good" or 'error="i' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize(("kind", "condition"), CASES)
def test_by_signature_only_a_good_jwt_reads_the_orders(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream, kind: str, condition: str
) -> None:
    answer = envoy.get("/local/orders", headers=bearer(orders.issue(kind, condition)))
    assert answer.status_code == (LOCALLY[condition] if kind in JWTS else 401)
    assert len(upstream.seen) == (1 if answer.status_code == 200 else 0)


@pytest.mark.parametrize("path", ["/orders", "/local/orders"])
def test_the_api_receives_the_owner_and_neither_the_secret_nor_what_a_caller_says(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream, path: str
) -> None:
    token = orders.issue("exchanged", "good")
    forged = {f"X-Auth-{name}": "forged" for name in IDENTITY} | {"X-Forwarded-For": "192.0.2.1"}
    forged |= {"Connection": "X-Auth-Subject"}  # a proxy removes what this names (RFC 9110 §7.6.1)
    assert envoy.get(path, headers=bearer(token) | forged).status_code == 200
    (seen,) = upstream.seen
    assert seen["x-auth-subject"] == orders.user.id
    assert token not in str(seen) and "forged" not in str(seen) and "192.0.2.1" not in str(seen)


def test_a_key_may_come_in_its_own_header_and_is_judged_by_the_callers_address(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream
) -> None:
    for network, status in (("127.0.0.0/8", 200), ("192.0.2.0/24", 403)):
        key = orders.admin.api_key(ORDERS, [READ], allowed_ips=[network])["key"]
        answer = envoy.get("/orders", headers={"X-API-Key": key, "X-Forwarded-For": "192.0.2.1"})
        assert answer.status_code == status, network
    (seen,) = upstream.seen
    assert "x-api-key" not in seen


@pytest.mark.spec("RFC 9449 §7.1")
def test_a_bound_token_needs_a_proof_for_the_very_request(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream
) -> None:
    prover = Prover(time.time)
    token, url = bound_token(orders, prover), str(envoy.base_url.join("/orders"))
    for path in ("/orders", "/local/orders"):
        assert envoy.get(path, headers=bearer(token)).status_code in (401, 403)
    elsewhere = {"Authorization": f"DPoP {token}", "DPoP": prover.proof("GET", f"{url}/9", token)}
    assert envoy.get("/orders", headers=elsewhere | {"X-Original-URL": f"{url}/9"}).status_code == 401
    good = {"Authorization": f"DPoP {token}", "DPoP": prover.proof("GET", url, token)}
    assert envoy.get("/orders?x=1", headers=good).status_code == 200
    assert len(upstream.seen) == 1


def test_no_spelling_of_a_path_or_method_passes_the_rules(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream
) -> None:
    narrow = bearer(orders.issue("m2m", "narrow"))
    for path in SPELLINGS:
        for answer in (envoy.get(path), envoy.get(path, headers=narrow), envoy.post(path, headers=narrow)):
            assert 400 <= answer.status_code < 500, path
    assert upstream.seen == []


def test_while_the_server_is_down_nobody_is_let_through(
    envoy: httpx.Client, orders: OrdersShop, upstream: Upstream
) -> None:
    token = orders.issue("pat", "good")
    orders.admin.server.stop()
    try:
        assert envoy.get("/orders", headers=bearer(token)).status_code == 503
    finally:
        orders.admin.server.start()
    assert upstream.seen == []
