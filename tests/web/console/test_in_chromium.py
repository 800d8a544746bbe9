"""The console's pages in real Chromium: on a phone and a desk, light and dark, by keyboard, without JavaScript."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.api import Admin, unique
from tests.browser import PHONE_LIGHT, Browser, Cookies
from tests.live import LiveServer

LONG = "averylongnamewithoutaspace" * 6


def tab_to(page: Page, selector: str, most: int = 120) -> None:
    """Press Tab until the element has the focus, at most `most` times."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{selector} cannot be reached by Tab")


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An administrator's client of a separate server: each object of the shared one makes its pages longer."""
    live = LiveServer(tmp_path_factory.mktemp("console") / "instance").start()
    acting = Admin(live)
    yield acting
    acting.http.close()
    live.stop()


@pytest.fixture(scope="module")
def server(admin: Admin) -> LiveServer:
    """The server of this module."""
    return admin.server


@pytest.fixture(scope="module")
def paths(admin: Admin) -> list[str]:
    """Create one object of each kind, with long names; return the paths of their pages."""
    scope, name = unique("long:scope"), unique(LONG)
    permission = {"name": scope, "description": LONG, "public": True}
    resource = admin.resource(permissions=[permission], name=name)
    role = admin.role("user", [scope], name=name)
    machine_role = admin.role("machine", [scope])
    user = admin.user([role], display_name=LONG)
    token = admin.pat(user, [scope])
    client = admin.client([machine_role], [resource], name=name)
    idp = {"name": unique(LONG)[:100], "issuer": "https://idp.example", "client_id": "us", "private_key_jwt": True}
    provider = admin.create("/identity-providers", idp)["id"]
    identities = f"/users/{user.id}/identities"
    linked = admin.create(identities, {"provider": provider, "subject": "x" * 255})
    secrets = f"/clients/{client.id}/secrets"
    secret = admin.create(secrets, {"name": LONG})
    used = admin.api_key(resource, name=unique(LONG))
    for _ in range(3):
        admin.forward_auth(used["key"], resource)
    return [
        "/console/resources",
        "/console/resources/new",
        f"/console/resources/{resource['id']}",
        f"/console/resources/{resource['id']}/delete",
        f"/console/resources/{resource['id']}/permission?permission={scope}",
        "/console/roles",
        "/console/roles/new",
        f"/console/roles/{role['id']}",
        "/console/users",
        "/console/users/new",
        f"/console/users/{user.id}",
        f"/console/users/{user.id}/tokens/{token['id']}/revoke",
        f"/console/users/{user.id}/tokens/new",
        f"/console{identities}/{linked['id']}/unlink",
        "/console/clients",
        "/console/clients/new",
        f"/console/clients/{client.id}",
        f"/console/clients/{client.id}/secrets/{secret['id']}/revoke",
        f"/console/credentials/{token['id']}",
        f"/console/credentials/{used['id']}",
        f"/console/credentials/{secret['id']}",
        f"/console/clients/{client.id}/grants",
    ]


@pytest.mark.contract(
    "nothing serious by axe, no console error, no violated policy, no other host, on phone and desk, light and dark"
)
def test_every_page_looks_right(browser: Browser, server: LiveServer, session: Cookies, paths: list[str]) -> None:
    with browser.page(cookies=session) as watched:
        for path in paths:
            watched.open(f"{server.url}{path}")
            assert watched.faults(PHONE_LIGHT) == [], path


@pytest.mark.contract("an operator does everything, with scripts and without, and by keyboard")
@pytest.mark.parametrize("javascript", [True, False])
def test_a_roles_matrix_is_saved_by_keyboard_alone(
    browser: Browser, server: LiveServer, session: Cookies, admin: Admin, javascript: bool
) -> None:
    scope = unique("by:keyboard")
    admin.resource(permissions=[scope])
    role = admin.role("user", [])
    with browser.page(javascript=javascript, cookies=session) as watched:
        watched.open(f"{server.url}/console/roles/{role['id']}")
        page = watched.page
        tab_to(page, f"[value='{scope}']", most=400)
        page.keyboard.press("Space")
        page.keyboard.press("Enter")
        page.get_by_role("status").wait_for()
        assert admin.get(f"/roles/{role['id']}").json()["permissions"] == [scope]
        assert page.locator(f"[value='{scope}']").is_checked()
        assert not watched.errors


@pytest.mark.contract("an operator does everything, with scripts and without, and by keyboard")
def test_a_client_is_registered_given_its_secret_and_deleted_by_keyboard_without_javascript(
    browser: Browser, server: LiveServer, session: Cookies, admin: Admin
) -> None:
    name = unique("typed")
    with browser.page(javascript=False, cookies=session) as watched:
        page = watched.page
        watched.open(f"{server.url}/console/clients/new")
        tab_to(page, "#name")
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        page.get_by_label("Secret").wait_for()
        assert page.get_by_label("Secret").input_value().startswith("lk_")
        tab_to(page, "main a.btn")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/clients/client_*")
        row = page.url.rsplit("/", 1)[1]
        tab_to(page, "a[href$='/delete']")
        page.keyboard.press("Enter")
        page.wait_for_url("**/delete")
        tab_to(page, "button.btn-danger")
        page.keyboard.press("Enter")
        page.wait_for_url("**/console/clients")
        assert admin.get(f"/clients/{row}").status_code == 404
        assert not watched.errors


def test_users_are_found_while_one_types_and_by_the_button_without_scripts(
    browser: Browser, server: LiveServer, session: Cookies, admin: Admin
) -> None:
    wanted, other = admin.user(), admin.user()
    for javascript in (True, False):
        with browser.page(javascript=javascript, cookies=session) as watched:
            watched.open(f"{server.url}/console/users")
            page = watched.page
            page.get_by_label("Username, name or email").press_sequentially(wanted.username)
            if not javascript:
                page.get_by_role("button", name="Search").click()
            page.wait_for_url(f"{server.url}/console/users?q={wanted.username}")
            page.get_by_role("link", name=wanted.username).wait_for()
            assert not page.get_by_role("link", name=other.username).count()
            assert not watched.errors and not watched.foreign
