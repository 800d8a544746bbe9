"""The common rules of the token, introspection and revocation endpoints: each client authentication, each refusal."""

from typing import Any

import pytest

from tests.oauth.wire import ORDERS, Wire, asserted, basic, refused, serve

ENDPOINTS = ("token", "introspect", "revoke")
METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")


def form_of(wire: Wire, endpoint: str) -> dict[str, str]:
    """A request that succeeds, but for its authentication."""
    if endpoint == "token":
        return {"grant_type": "client_credentials", "resource": ORDERS}
    return {"token": wire.core.m2m("robot", "orders:read") if endpoint == "revoke" else wire.core.key()[1]}


def authentication(wire: Wire, method: str, right: bool = True) -> tuple[dict[str, str], dict[str, str]]:
    """The parameters and headers of one method, with the right secret or a wrong one."""
    name, secret = wire.robot[0], wire.robot[1] if right else "wrong"
    if method == "client_secret_basic":
        return {}, {"Authorization": basic(name, secret)}
    if method == "client_secret_post":
        return {"client_id": name, "client_secret": secret}, {}
    signed = wire.assertion()
    return (signed if right else asserted(signed["client_assertion"][:-4] + "AAAA")), {}


def ask(wire: Wire, endpoint: str, method: str, right: bool = True) -> Any:
    form, headers = authentication(wire, method, right)
    return wire.post(endpoint, form_of(wire, endpoint) | form, headers=headers)


@pytest.mark.asvs("6.3.4", "10.4.10")
@pytest.mark.contract(
    "client authentication is the same on all of them", "an unregistered authentication method is a 500"
)
@pytest.mark.spec("RFC 6749 §2.3", "RFC 7662 §2.1", "RFC 7009 §2.1")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_method_authenticates_at_each_endpoint(wire: Wire, endpoint: str, method: str) -> None:
    response = ask(wire, endpoint, method)
    if endpoint == "revoke" and method == "private_key_jwt":  # authenticated, but another client's token
        refused(response, 400, "invalid_grant")
    else:
        assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "no-store" and response.headers["Pragma"] == "no-cache"


@pytest.mark.asvs("10.4.10")
@pytest.mark.contract(
    "errors are RFC 6749 §5.2 objects, at each endpoint",
    "failed client authentication: 401, Basic challenge when tried",
)
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_each_failure_is_401_and_challenges_where_basic_was_tried(wire: Wire, endpoint: str, method: str) -> None:
    response = ask(wire, endpoint, method, right=False)
    refused(response, 401, "invalid_client")
    challenge = response.headers.get("WWW-Authenticate", "")
    assert challenge.startswith("Basic ") if method == "client_secret_basic" else not challenge


@pytest.mark.contract("client authentication is the same on all of them")
@pytest.mark.spec("RFC 6749 §2.3")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_two_methods_at_once_are_refused_at_each_endpoint(wire: Wire, endpoint: str) -> None:
    for one, other in (METHODS[:2], METHODS[1:], METHODS[::2]):
        (form, headers), (more, further) = authentication(wire, one), authentication(wire, other)
        response = wire.post(endpoint, form_of(wire, endpoint) | form | more, headers=headers | further)
        refused(response, 400, "invalid_request")


@pytest.mark.asvs("3.5.3")
@pytest.mark.contract("a repeated parameter is `invalid_request`, but for `resource` and `audience`")
@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_nothing_is_read_from_the_url_twice_or_by_get_at_any_endpoint(wire: Wire, endpoint: str) -> None:
    form, headers = form_of(wire, endpoint), {"Authorization": basic(*wire.robot)}
    refused(wire.http.post(f"/oauth/{endpoint}", query_string=form, headers=headers), 400, "invalid_request")
    name, value = next(iter(form.items()))
    refused(wire.post(endpoint, form | {name: [value, value]}, headers=headers), 400, "invalid_request")
    refused(wire.http.get(f"/oauth/{endpoint}", query_string=form, headers=headers), 405, "invalid_request")


@pytest.mark.contract("an assertion's `jti`: single use")
@pytest.mark.spec("RFC 7523 §3")
def test_an_assertion_is_used_up_at_every_endpoint_by_its_use_at_one(wire: Wire) -> None:
    serve(wire.core, "keyed", ORDERS)
    once = wire.assertion()
    assert wire.post("introspect", form_of(wire, "introspect") | once).json["active"]
    for endpoint in ENDPOINTS:
        refused(wire.post(endpoint, form_of(wire, endpoint) | once), 401, "invalid_client")
