"""How much a page of the console shows in real Chromium, and how one finds something in a long picker."""

from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Page

from tests.api import Admin, unique
from tests.browser import Browser, Cookies
from tests.live import LiveServer

VISIBLE = "rows => rows.filter(row => row.getBoundingClientRect().bottom <= innerHeight).length"
USERS, ROLES = 20, 30


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    """An administrator's client of a server with twenty users and thirty roles."""
    live = LiveServer(tmp_path_factory.mktemp("density") / "instance").start()
    acting = Admin(live)
    roles = [acting.role("user", name=f"team {number:02}") for number in range(ROLES)]
    for number in range(USERS):
        acting.user(roles[number % 4 :][: number % 4], display_name=f"Person number {number}")
    yield acting
    acting.http.close()
    live.stop()


@pytest.fixture(scope="module")
def server(admin: Admin) -> LiveServer:
    """The server of this module."""
    return admin.server


def heights(page: Page, selector: str) -> set[float]:
    found: list[float] = page.locator(selector).evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().height).filter(Boolean)"
    )
    return {round(height) for height in found}


def test_fourteen_users_or_more_fit_on_a_screen(browser: Browser, admin: Admin, session: Cookies) -> None:
    with browser.page(1280, cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/users")
        page = watched.page
        assert page.locator("tbody tr").evaluate_all(VISIBLE) >= 14
        assert heights(page, "tbody tr") <= {39, 40, 41} and heights(page, "main .btn, main input") <= {35, 36, 37}
        assert page.locator("main").evaluate("main => getComputedStyle(main).fontSize") in ("14px", "15px")


def test_no_list_is_wider_than_a_desk(browser: Browser, admin: Admin, session: Cookies) -> None:
    scope = unique("parcels:read")
    api = admin.resource(permissions=[scope], public=[unique("parcels:list")], name="Parcels")
    role = admin.role("user", [scope])
    admin.pat(admin.user([role]), [scope])
    admin.client([], name=unique("importer"))
    admin.api_key(api)
    with browser.page(1280, cookies=session) as watched:
        for noun in ("users", "clients", "roles", "resources", "api-keys", "credentials"):
            watched.open(f"{admin.server.url}/console/{noun}")
            assert watched.page.locator(".list").evaluate("list => list.scrollWidth <= list.clientWidth"), noun
            assert not watched.page.get_by_role("combobox", name="Sort by").is_visible()
    with browser.page(390, javascript=False, cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/users")
        watched.page.get_by_role("combobox", name="Sort by").select_option("username")
        watched.page.get_by_role("button", name="Sort").click()
        watched.page.wait_for_url("**/console/users?sort=username")


def test_rows_are_cards_and_the_sections_a_menu_on_a_phone(browser: Browser, admin: Admin, session: Cookies) -> None:
    with browser.page(390, javascript=False, cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/users")
        page = watched.page
        assert not page.get_by_role("link", name="API keys").is_visible() and not watched.scrolls_sideways()
        label = page.locator("td[data-label=Email]").first
        assert "Email" in label.evaluate("cell => getComputedStyle(cell, '::before').content")
        page.get_by_role("button", name="Menu").click()
        page.get_by_role("link", name="API keys").click()
        page.wait_for_url("**/console/api-keys")


def test_a_long_picker_shows_the_chosen_first_and_can_be_searched(
    browser: Browser, admin: Admin, session: Cookies
) -> None:
    user = admin.user(["team 17", "team 23"])
    with browser.page(cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/users/{user.id}")
        page = watched.page
        boxes = page.locator("[name=roles]")
        assert [box.input_value() for box in boxes.all()[:2]] == ["team 17", "team 23"]
        page.get_by_label("Search in: Roles").fill("team 05")
        assert [box.input_value() for box in boxes.all() if box.is_visible()] == ["team 17", "team 23", "team 05"]
        page.get_by_label("team 05").check()
        page.get_by_role("button", name="Save").click()
        page.get_by_role("status").wait_for()
        assert set(admin.get(f"/users/{user.id}").json()["roles"]) == {"team 05", "team 17", "team 23"}
        assert not watched.errors


def test_a_long_picker_is_a_scrollable_box_without_scripts(browser: Browser, admin: Admin, session: Cookies) -> None:
    user = admin.user(["team 17"])
    with browser.page(javascript=False, cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/users/{user.id}")
        picker = watched.page.locator("#roles-choices")
        assert (picker.bounding_box() or {"height": 1000})["height"] < 300
        assert not watched.page.get_by_label("Search in: Roles").is_visible()


@pytest.mark.parametrize("javascript", [True, False])
def test_a_tab_shows_its_section_alone_and_stays_after_a_refusal(
    browser: Browser, admin: Admin, session: Cookies, javascript: bool
) -> None:
    client = admin.client([], name=unique("tabbed"))
    with browser.page(javascript=javascript, cookies=session) as watched:
        watched.open(f"{admin.server.url}/console/clients/{client.id}")
        page, secrets = watched.page, watched.page.locator("#secrets")
        assert page.locator("#settings").is_visible() and not secrets.is_visible()
        page.get_by_role("navigation", name="Client").get_by_role("link", name="Secrets").click()
        assert secrets.is_visible() and not page.locator("#settings").is_visible()
        secrets.get_by_label("Name of a further secret").fill("x" * 300)
        secrets.get_by_role("button", name="Make a further secret").click()
        page.get_by_role("alert").wait_for()
        assert secrets.is_visible() and not page.locator("#settings").is_visible()


def test_each_theme_follows_the_system_without_scripts(browser: Browser, admin: Admin) -> None:
    seen: dict[str, str] = {}
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        with browser.page(1280, scheme, javascript=False) as watched:
            watched.open(f"{admin.server.url}/login")
            seen[scheme] = watched.page.locator("body").evaluate("body => getComputedStyle(body).backgroundColor")
    assert seen["light"] != seen["dark"]
