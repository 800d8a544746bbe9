"""The console's pages in real Chromium: at phone and desk width, light and dark, by keyboard, without JavaScript."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from tests.api import Admin
from tests.browser import Browser, Cookies, Watched
from tests.live import LiveServer

MOST_TABS = 80


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An administrator's client of a separate server with some objects."""
    live = LiveServer(tmp_path_factory.mktemp("console") / "instance").start()
    acting = Admin(live)
    api = acting.resource(permissions=["parcels:read"], public=["parcels:list"], name="Parcels")
    role = acting.role("user", ["parcels:read"])
    acting.pat(acting.user([role]), ["parcels:read"])
    acting.client([acting.role("machine", ["parcels:read"])])
    acting.api_key(api, allowed_ips=["192.0.2.0/24"])
    acting.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("nobody", "nothing"))
    yield acting
    acting.http.close()
    live.stop()


@pytest.fixture(scope="module")
def server(admin: Admin) -> LiveServer:
    """The server of this module."""
    return admin.server


def sign_in(watched: Watched, admin: Admin) -> Page:
    """Sign in as the administrator, by keyboard."""
    watched.open(f"{admin.server.url}/login?next=/console")
    page, (name, password) = watched.page, admin.administrator.basic
    tab_to(page, "username")
    page.keyboard.type(name)
    tab_to(page, "password")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{admin.server.url}/console")
    return page


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until the element with this id or text has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        if focused.count() and wanted in (focused.get_attribute("id"), focused.inner_text().strip()):
            return
    raise AssertionError(f"no way by keyboard to {wanted}")


@pytest.mark.contract(
    "nothing serious by axe, no console error, no violated policy, no other host, on phone and desk, light and dark"
)
def test_every_section_looks_right(browser: Browser, admin: Admin, session: Cookies) -> None:
    [key] = admin.get("/api-keys").json()["items"]
    resource = key["resource"]
    paths = (
        "",
        "/api-keys",
        "/api-keys?status=revoked",
        "/api-keys/new",
        f"/api-keys/new?resource={resource}",
        f"/api-keys/{key['id']}",
        f"/api-keys/{key['id']}/rotate",
        f"/api-keys/{key['id']}/revoke",
        "/credentials",
        "/credentials?kind=api_key&expires_before=2031-01-01T00:00:00Z&sort=name",
        "/credentials?q=nothing",
        "/signing-keys",
        "/signing-keys/rotate",
        "/audit",
        "/audit/1",
        "/audit?actor=nobody",
        "/holders",
        "/holders?scope=parcels:read",
        "/holders?scope=parcels:list",
        "/search",
        f"/search/api_key/{key['id']}/revoke",
    )
    with browser.page(cookies=session) as watched:
        for path in paths:
            watched.open(f"{admin.server.url}/console{path}")
            assert watched.faults() == [], path


@pytest.mark.contract("an operator does everything, with scripts and without, and by keyboard")
def test_a_key_is_issued_and_ended_by_keyboard_alone_without_javascript(browser: Browser, admin: Admin) -> None:
    with browser.page(390, javascript=False) as watched:
        page = sign_in(watched, admin)
        for wanted in ("Menu", "API keys", "Issue a key", "Parcels"):
            tab_to(page, wanted)
            page.keyboard.press("Enter")
        tab_to(page, "name")
        page.keyboard.type("by keyboard")
        page.keyboard.press("Enter")
        page.locator("#secret").wait_for()
        secret = page.locator("#secret").input_value()
        assert admin.active(secret)
        for wanted in ("Menu", "Search by secret"):
            tab_to(page, wanted)
            page.keyboard.press("Enter")
        tab_to(page, "credential")
        page.keyboard.insert_text(secret)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=re.compile("API key active")).wait_for()
        assert page.locator("#credential").input_value() == "" and secret not in page.content()
        for _ in ("the link", "the button of the page that asks"):
            tab_to(page, "Revoke")
            page.keyboard.press("Enter")
        page.get_by_role("status").filter(has_text="revoked").wait_for()
        assert not admin.active(secret) and not watched.errors


def test_the_chart_is_visible_and_described(browser: Browser, admin: Admin, session: Cookies) -> None:
    with browser.page(cookies=session) as watched:
        watched.open(f"{admin.server.url}/console")
        page = watched.page
        chart = page.get_by_role("img", name=re.compile("Failed authentications by the hour"))
        assert chart.is_visible() and (chart.bounding_box() or {"height": 0})["height"] > 50
        heights = [float(bar.get_attribute("height") or 0) for bar in page.locator("svg.chart rect").all()]
        assert len(heights) == 24 and max(heights) == 100
        tab_to(page, "Hour by hour")
        page.keyboard.press("Enter")
        assert page.get_by_role("region", name="Failed authentications hour by hour").is_visible()


def test_a_scope_is_completed_while_one_types(browser: Browser, admin: Admin, session: Cookies) -> None:
    admin.resource(permissions=[f"filler:{number:03}" for number in range(250)], name="A filler")
    with browser.page(cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/holders")
        page = watched.page
        option = page.locator("#scopes option[value='parcels:read']")
        assert option.count() == 0, "the page offers the first scopes only"
        page.locator("#scope").press_sequentially("cels:r")
        option.wait_for(state="attached")
        assert page.locator("#scopes option").count() == 1
        page.locator("#scope").fill("parcels:read")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="parcels:read").wait_for()
        assert not watched.errors and not watched.foreign
