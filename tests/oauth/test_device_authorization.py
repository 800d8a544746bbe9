"""The device authorization grant, as a device sees it (RFC 8628)."""

from collections.abc import Callable
from typing import Any

import pytest

from app.actions.audit.actor import Actor
from app.actions.limits.abuse import DEVICE_REQUESTS
from tests.core import contents
from tests.oauth.authorizing import DEVICE_GRANT, refresh, register
from tests.oauth.wire import ISSUER, ORDERS, Wire, basic, refused


@pytest.fixture
def site(own_wire: Callable[..., Wire]) -> Wire:
    """An application of its own: the tests move its clock."""
    wire = own_wire()
    register(wire, "app")
    register(wire, "other")
    register(wire, "code", grant_types=["authorization_code"])
    register(wire, "backend", method="client_secret_basic")
    return wire


def begin(site: Wire, auth: Any = None, **form: Any) -> Any:
    asked = {"scope": "orders:read", "resource": ORDERS} | ({} if auth else {"client_id": "app"})
    return site.post("device_authorization", asked | form, auth)


def poll(site: Wire, device_code: str, client_id: str = "app", **form: Any) -> Any:
    asked = {"grant_type": DEVICE_GRANT, "device_code": device_code, "client_id": client_id}
    return site.post("token", asked | form)


def user(site: Wire) -> Actor:
    return Actor("user", site.core.row_id("alice"), "alice")


@pytest.mark.spec("RFC 8628 §3.2")
def test_a_device_gets_its_codes(site: Wire) -> None:
    answer = begin(site)
    assert answer.status_code == 200 and answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json
    assert set(body) == {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
    }
    assert body["device_code"].startswith("lk_dev_")
    assert len(body["user_code"]) == 9 and body["user_code"][4] == "-"
    assert body["verification_uri"] == f"{ISSUER}/device"
    assert body["verification_uri_complete"] == f"{ISSUER}/device?user_code={body['user_code']}"
    assert (body["expires_in"], body["interval"]) == (600, 5)


@pytest.mark.spec("RFC 8628 §3.1")
def test_a_client_that_authenticates_may_begin_without_any_parameter(site: Wire) -> None:
    headers = {"Authorization": basic("backend", site.core.client_secret("backend"))}
    answer = site.http.post("/oauth/device_authorization", headers=headers)
    assert answer.status_code == 200 and "user_code" in answer.get_json(), answer.text


@pytest.mark.spec("RFC 8628 §3.4")
@pytest.mark.spec("RFC 8628 §3.5")
def test_a_device_polls_until_the_user_has_answered(site: Wire) -> None:
    codes = begin(site).json
    refused(poll(site, codes["device_code"]), 400, "authorization_pending")
    refused(poll(site, codes["device_code"]), 400, "slow_down")
    site.core.actions.devices.allow(user(site), codes["user_code"], ["orders:read"])
    site.core.clock.advance(seconds=11)
    answer = poll(site, codes["device_code"])
    assert answer.status_code == 200, answer.text
    claims = contents(answer.json["access_token"])
    assert (claims["client_id"], claims["sub"]) == ("app", site.core.row_id("alice"))
    assert refresh(site, answer.json["refresh_token"]).status_code == 200
    site.core.clock.advance(seconds=60)
    refused(poll(site, codes["device_code"]), 400, "invalid_grant")


@pytest.mark.spec("RFC 8628 §3.5")
def test_a_refusal_and_an_expiry_have_their_own_codes(site: Wire) -> None:
    denied, late = begin(site).json, begin(site).json
    site.core.actions.devices.deny(user(site), denied["user_code"])
    refused(poll(site, denied["device_code"]), 400, "access_denied")
    site.core.clock.advance(seconds=600)
    refused(poll(site, late["device_code"]), 400, "expired_token")


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_device_code_of_another_client_and_an_unknown_one_are_invalid_grants(site: Wire) -> None:
    code = begin(site).json["device_code"]
    site.core.clock.advance(seconds=6)
    refused(poll(site, code, "other"), 400, "invalid_grant")
    for unknown in ("x", "lk_dev_" + "0" * 38, '"\\é'):
        refused(poll(site, unknown), 400, "invalid_grant")
    refused(poll(site, ""), 400, "invalid_request")
    refused(poll(site, code), 400, "authorization_pending")


@pytest.mark.spec("RFC 8628 §3.1")
def test_the_client_authenticates_and_is_registered_for_it(site: Wire) -> None:
    refused(begin(site, client_id="nobody"), 401, "invalid_client")
    refused(begin(site, client_id="backend"), 401, "invalid_client")
    refused(begin(site, ("backend", "wrong")), 401, "invalid_client")
    refused(begin(site, client_id="code"), 400, "unauthorized_client")
    refused(begin(site, site.robot), 400, "unauthorized_client")
    backend = ("backend", site.core.client_secret("backend"))
    assert begin(site, backend).status_code == 200
    refused(poll(site, "x", "code"), 400, "unauthorized_client")


@pytest.mark.parametrize("code", ["", "x"])
@pytest.mark.spec("RFC 6749 §3.2.1")
def test_the_client_is_authenticated_before_the_device_code_is_read(site: Wire, code: str) -> None:
    refused(poll(site, code, "nobody"), 401, "invalid_client")


@pytest.mark.spec("RFC 6749 §3.3")
def test_what_nobody_could_agree_to_is_refused_at_once(site: Wire) -> None:
    refused(begin(site, scope="nonsense"), 400, "invalid_scope")
    refused(begin(site, scope="manage", resource=""), 400, "invalid_scope")
    refused(begin(site, resource="https://api.example/nothing"), 400, "invalid_target")


def test_a_flood_of_requests_is_limited_by_address(own_wire: Callable[..., Wire]) -> None:
    site = own_wire(rate_limits="on")
    register(site, "app")
    for _ in range(DEVICE_REQUESTS.most):
        assert begin(site).status_code == 200
    answer = begin(site)
    assert answer.status_code == 429 and answer.json["error"] == "temporarily_unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_parameters_are_sent_once_and_in_the_body(site: Wire) -> None:
    refused(site.post("device_authorization", {"client_id": ["app", "app"]}), 400, "invalid_request")
    refused(site.post("device_authorization?scope=x", {"client_id": "app"}), 400, "invalid_request")
