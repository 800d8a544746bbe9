"""The console's apps: clients that act for users, registered and changed without JavaScript."""

from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientView, NewClient
from tests.api import Admin, unique
from tests.browser import PHONE_LIGHT, Browser, Cookies
from tests.live import LiveServer
from tests.management.face import Face
from tests.web.console.test_clients import client_of, register_client, secret_in
from tests.web.visitor import Visitor

URI, CODE, REFRESH = "https://app.example/callback", "authorization_code", "refresh_token"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
BASIC, NONE = "client_secret_basic", "none"


def register_app(face: Face, name: str, **values: Any) -> ClientView:
    given = {"grant_types": (CODE, REFRESH), "redirect_uris": (URI,)} | values
    return face.core.actions.clients.create(OPERATOR, NewClient(name, **given))[0]


def send_new(operator: Visitor, name: str, method: str = BASIC, **fields: Any) -> Any:
    operator.get("/console/clients/new")
    return operator.post("/console/clients", name=name, acts="app", token_endpoint_auth_method=method, **fields)


def test_an_app_is_registered_with_what_it_does_for_users(face: Face, operator: Visitor) -> None:
    uris, page = f"{URI}\r\n\r\n  http://127.0.0.1/callback ", "https://app.example"
    answer = send_new(
        operator,
        "calendar",
        grant_types=[CODE, REFRESH, DEVICE],
        redirect_uris=uris,
        scopes="orders:read",
        client_uri=page,
    )
    assert answer.status_code == 201 and secret_in(answer)
    client = client_of(face, "calendar")
    assert client.grant_types == (CODE, REFRESH, DEVICE) and client.scopes == ("orders:read",)
    assert client.redirect_uris == (URI, "http://127.0.0.1/callback")
    assert (client.client_uri, client.policy_uri) == (page, None)
    shown = operator.get(f"/console/clients/{client.id}").text
    assert URI in shown and "device_code" in shown
    assert operator.get("/console/clients?q=calendar").text.count(">app</span>") == 1


def test_a_public_app_gets_no_secret(face: Face, operator: Visitor) -> None:
    answer = send_new(operator, "phone", NONE, grant_types=CODE, redirect_uris="com.example.phone:/callback")
    assert answer.status_code == 303
    client = client_of(face, "phone")
    page = operator.get(f"/console/clients/{client.id}").text
    assert client.token_endpoint_auth_method == NONE and "because it is public" in page
    assert "Trusted issuers" not in page and 'id="secrets"' not in page


def test_the_fields_of_the_other_kind_of_client_do_not_count(face: Face, operator: Visitor) -> None:
    face.core.role("driving", "machine", "orders:read")
    send_new(operator, "map", grant_types=CODE, redirect_uris=URI, roles="driving")
    assert client_of(face, "map").roles == ()
    operator.post("/console/clients", name="van", acts="service", token_endpoint_auth_method=BASIC, roles="driving",
                  grant_types=CODE, redirect_uris=URI)  # fmt: skip
    assert client_of(face, "van").grant_types == ("client_credentials",) and client_of(face, "van").redirect_uris == ()


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"grant_types": CODE}, "needs at least one"),
        ({"grant_types": CODE, "redirect_uris": "http://app.example/"}, "loopback host"),
        ({"redirect_uris": URI}, "at least one grant"),
        ({"grant_types": DEVICE, "scopes": "orders:fly"}, "no scope orders:fly"),
        ({"grant_types": DEVICE, "logo_uri": "javascript:alert(1)"}, "https URL"),
        ({"grant_types": "password"}, "is not a valid grant"),
    ],
)
def test_what_is_refused_is_said_beside_its_field(operator: Visitor, fields: dict[str, str], text: str) -> None:
    answer = send_new(operator, "refused", **fields)
    assert answer.status_code == 422 and text in answer.text
    assert all(value in answer.text for name, value in fields.items() if name == "redirect_uris")


def test_a_service_that_proves_nothing_is_refused_beside_its_method(face: Face, operator: Visitor) -> None:
    operator.get("/console/clients/new")
    answer = operator.post("/console/clients", name="nothing", acts="service", token_endpoint_auth_method=NONE)
    assert answer.status_code == 422 and "token_endpoint_auth_method-problem" in answer.text
    client = register_client(face, "proves")
    operator.get(f"/console/clients/{client.id}")
    answer = operator.post(f"/console/clients/{client.id}/keys", token_endpoint_auth_method=NONE)
    assert answer.status_code == 422 and "token_endpoint_auth_method-problem" in answer.text


def test_what_an_app_does_for_users_is_changed(face: Face, operator: Visitor) -> None:
    client = register_app(face, "board", scopes=("orders:read",), client_uri="https://app.example")
    page = operator.get(f"/console/clients/{client.id}").text
    assert f'value="{CODE}" checked' in page and 'value="orders:read" checked' in page
    form: dict[str, Any] = {"grant_types": [CODE, "client_credentials"], "redirect_uris": f"{URI}\n{URI}/2"}
    answer = operator.post(f"/console/clients/{client.id}/app", **form)
    assert answer.status_code == 303 and answer.location.endswith("#app")
    changed = client_of(face, "board")
    assert changed.grant_types == ("client_credentials", CODE) and changed.redirect_uris == (URI, f"{URI}/2")
    assert changed.scopes is None and changed.client_uri is None
    answer = operator.post(f"/console/clients/{client.id}/app", **(form | {"redirect_uris": "x"}))
    assert answer.status_code == 422 and ">x</textarea>" in answer.text


def test_a_service_with_roles_becomes_no_app_by_accident(face: Face, operator: Visitor) -> None:
    face.core.role("packing apps", "machine", "orders:read")
    client = face.core.actions.clients.create(OPERATOR, NewClient("packs", roles=("packing apps",)))[0]
    operator.get(f"/console/clients/{client.id}")
    answer = operator.post(f"/console/clients/{client.id}/app", grant_types=CODE, redirect_uris=URI)
    assert answer.status_code == 422 and "an app has what its users agree to" in answer.text


def test_the_settings_of_an_app_are_changed_without_its_roles(face: Face, operator: Visitor) -> None:
    client = register_app(face, "plain", token_endpoint_auth_method=NONE)
    page = operator.get(f"/console/clients/{client.id}").text
    assert "roles-choices" not in page and "serves-choices" not in page
    answer = operator.post(f"/console/clients/{client.id}", name="plainer", enabled="yes")
    assert answer.status_code == 303 and client_of(face, "plainer").enabled


# --- in Chromium


@pytest.mark.contract("an operator does everything, with scripts and without, and by keyboard")
@pytest.mark.parametrize("javascript", [True, False])
def test_an_app_is_registered_and_changed(
    browser: Browser, server: LiveServer, session: Cookies, admin: Admin, javascript: bool
) -> None:
    name = unique("calendar")
    with browser.page(javascript=javascript, cookies=session) as watched:
        page = watched.page
        watched.open(f"{server.url}/console/clients/new")
        assert page.get_by_label("Redirect URIs").is_hidden() and page.locator("[value=none]").is_hidden()
        page.get_by_label("users who agree").check()
        assert page.get_by_role("group", name="Roles", exact=True).is_hidden()
        page.get_by_label("Name", exact=True).fill(name)
        page.get_by_label("Redirect URIs").fill(URI)
        page.locator("[value=none]").check()
        if javascript:
            assert watched.faults(PHONE_LIGHT) == []
        page.get_by_role("button", name="Register it").click()
        page.get_by_role("status").wait_for()
        row = page.url.rsplit("/", 1)[1]
        page.get_by_role("link", name="What it does for users").click()
        page.get_by_label("Redirect URIs").fill(f"{URI}\n{URI}/2")
        if javascript:
            assert watched.faults(PHONE_LIGHT) == []
        page.get_by_role("button", name="Save what it does for users").click()
        page.get_by_role("status").wait_for()
        assert page.get_by_label("Redirect URIs").is_visible()
        assert admin.get(f"/clients/{row}").json()["redirect_uris"] == [URI, f"{URI}/2"]
        assert not watched.errors
