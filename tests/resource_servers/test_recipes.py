"""Each recipe accepts and refuses exactly the right credentials, of each kind."""

import time

import pytest

from tests.dpop import Prover
from tests.gateways.conftest import ORDERS, READ
from tests.gateways.test_recipes import bound_token
from tests.resource_servers.recipes import FOLDER, RECIPES
from tests.resource_servers.service import Service
from tests.resource_servers.shop import CASES, KINDS, OrdersShop

STATUS = {"good": 200, "narrow": 403, "elsewhere": 401, "revoked": 401, "expired": 401}
CHALLENGE = {401: 'error="invalid_token"', 403: 'error="insufficient_scope"'}


def test_the_page_says_how_each_recipe_is_started() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in RECIPES if f"\n| `{name}`: `" not in page] == []


@pytest.mark.contract("recipes in other languages: good, revoked, expired, for another API, too narrow, of each kind")
@pytest.mark.parametrize(("kind", "condition"), CASES)
def test_only_a_good_credential_reads_the_orders(
    service: Service, orders: OrdersShop, kind: str, condition: str
) -> None:
    token = orders.issue(kind, condition)
    answer = service.refused(token, kind) if condition == "revoked" else service.get(token)
    wanted = STATUS[condition] if kind in service.recipe.accepts else 401
    assert answer.status_code == wanted, answer.headers.get("WWW-Authenticate")
    if wanted == 200:
        assert answer.json()["orders"] == ["one apple"]
    else:
        assert CHALLENGE[wanted] in answer.headers["WWW-Authenticate"]


@pytest.mark.contract("recipes in other languages: good, revoked, expired, for another API, too narrow, of each kind")
@pytest.mark.parametrize("kind", KINDS)
def test_a_credential_is_refused_once_it_is_revoked(service: Service, orders: OrdersShop, kind: str) -> None:
    token = orders.new(kind)
    assert service.get(token).status_code == (200 if kind in service.recipe.accepts else 401)
    orders.revoke(kind, token)
    answer = service.refused(token, kind)
    assert answer.status_code == 401
    assert CHALLENGE[401] in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_holder_of_a_credential_is_known(service: Service, orders: OrdersShop, kind: str) -> None:
    answer = service.get(orders.new(kind))
    holders = {"api_key": None, "m2m": orders.client.client_id}
    if kind in service.recipe.accepts:
        assert answer.json()["holder"] == holders.get(kind, orders.user.id)


@pytest.mark.spec("RFC 6750 §3")
def test_a_request_without_a_valid_credential_is_challenged(service: Service) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}):
        answer = service.http.get("/orders", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert "error" not in answer.headers["WWW-Authenticate"]
    for garbage in ("garbage", "a.b.c", "lk_pat_"):
        assert service.get(garbage).status_code == 401


def test_a_forged_jwt_is_refused(service: Service, orders: OrdersShop) -> None:
    header, claims, signature = orders.issue("m2m", "good").split(".")
    other = orders.issue("m2m", "elsewhere").split(".")[1]
    for forged in (f"{header}.{claims}.{signature[::-1]}", f"{header}.{claims}.", f"{header}.{other}.{signature}"):
        assert service.get(forged).status_code == 401


@pytest.mark.spec("RFC 6750 §2")
def test_two_credentials_are_never_accepted(service: Service, orders: OrdersShop) -> None:
    good = ("Authorization", f"Bearer {orders.issue('m2m', 'good')}")
    assert service.http.get("/orders", headers=[good, good]).status_code == 400
    if service.recipe.takes_api_key_header:
        both = [good, ("X-API-Key", orders.issue("api_key", "good"))]
        assert service.http.get("/orders", headers=both).status_code == 400


def test_a_key_may_come_in_its_own_header(service: Service, orders: OrdersShop) -> None:
    accepts = service.recipe.takes_api_key_header
    for condition, status in (("good", 200), ("narrow", 403), ("expired", 401)):
        headers = {"X-API-Key": orders.issue("api_key", condition)}
        assert service.http.get("/orders", headers=headers).status_code == (status if accepts else 401)


def test_a_key_that_is_bound_to_networks_is_judged_by_the_callers_address(service: Service, orders: OrdersShop) -> None:
    accepts = service.recipe.takes_api_key_header
    for network, status in (("127.0.0.0/8", 200), ("192.0.2.0/24", 401)):
        key = orders.admin.api_key(ORDERS, [READ], allowed_ips=[network])["key"]
        assert service.get(key).status_code == (status if accepts else 401), network


@pytest.mark.spec("RFC 9449 §7.2")
def test_a_token_that_is_bound_to_a_key_is_refused(service: Service, orders: OrdersShop) -> None:
    assert service.get(bound_token(orders, Prover(time.time))).status_code == 401


def test_while_the_server_is_down_only_a_recent_status_list_says_yes(service: Service, orders: OrdersShop) -> None:
    by_list = sorted(service.recipe.by_status_list)[:1]
    tokens = {kind: orders.new(kind) for kind in [*by_list, "pat"] if kind in service.recipe.accepts}
    assert {service.get(token).status_code for token in tokens.values()} == {200}
    orders.admin.server.stop()
    try:
        answers = {kind: service.get(token) for kind, token in tokens.items()}
    finally:
        orders.admin.server.start()
    assert {kind: answer.status_code for kind, answer in answers.items()} == {
        kind: 503 if kind == "pat" else 200 for kind in tokens
    }
