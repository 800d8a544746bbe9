"""Oathkeeper accepts and refuses each kind of credential by introspection."""

from collections.abc import Iterator

import httpx
import pytest

from tests.gateways.programs import Upstream
from tests.resource_servers.proxies import running
from tests.resource_servers.shop import CASES, KINDS, OrdersShop

STATUS = {"good": 200, "narrow": 403, "elsewhere": 401, "revoked": 401, "expired": 401}


@pytest.fixture(scope="module")
def oathkeeper(
    settings: dict[str, str], _api: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    with running("oathkeeper", tmp_path_factory.mktemp("oathkeeper"), settings, _api.address) as http:
        yield http


@pytest.mark.contract("recipes in other languages: good, revoked, expired, for another API, too narrow, of each kind")
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
@pytest.mark.parametrize(("kind", "condition"), CASES)
def test_only_a_good_credential_reads_the_orders(
    oathkeeper: httpx.Client, orders: OrdersShop, upstream: Upstream, kind: str, condition: str, header: str
) -> None:
    token = orders.issue(kind, condition)
    headers = {header: token if header == "X-API-Key" else f"Bearer {token}"}
    assert oathkeeper.get("/orders", headers=headers).status_code == STATUS[condition]
    assert len(upstream.seen) == (1 if condition == "good" else 0)


@pytest.mark.parametrize("kind", KINDS)
def test_the_api_receives_the_owner_and_neither_the_secret_nor_what_a_caller_says(
    oathkeeper: httpx.Client, orders: OrdersShop, upstream: Upstream, kind: str
) -> None:
    token = orders.new(kind)
    forged = {f"X-Auth-{name}": "forged" for name in ("Subject", "Username", "Client-Id", "Scope")}
    forged |= {"Connection": "X-Auth-Subject"}  # a proxy removes what this names (RFC 9110 §7.6.1)
    headers = {"Authorization": f"Bearer {token}"} | forged
    assert oathkeeper.get("/orders", headers=headers).status_code == 200
    (seen,) = upstream.seen
    holders = {"api_key": "", "m2m": orders.client.client_id}
    assert seen["x-auth-subject"] == holders.get(kind, orders.user.id)
    assert token not in str(seen) and "forged" not in str(seen)


def test_a_request_without_a_valid_credential_is_refused(oathkeeper: httpx.Client, upstream: Upstream) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"Authorization": "Bearer garbage"}, {"X-API-Key": "a.b.c"}):
        assert oathkeeper.get("/orders", headers=headers).status_code == 401
    for path in ("/", "/orders/", "//orders", "/ORDERS"):
        assert oathkeeper.get(path).status_code in (400, 401, 404)
    assert upstream.seen == []


def test_while_the_server_is_down_nobody_is_let_through(
    oathkeeper: httpx.Client, orders: OrdersShop, upstream: Upstream
) -> None:
    headers = {"Authorization": f"Bearer {orders.issue('pat', 'good')}"}
    orders.admin.server.stop()
    try:
        assert oathkeeper.get("/orders", headers=headers).status_code >= 500
    finally:
        orders.admin.server.start()
    assert upstream.seen == []
