"""A user's pages in real Chromium: the whole life of a token, with and without JavaScript, and by keyboard alone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.api import Admin, User, unique
from tests.browser import Browser, Watched
from tests.live import LiveServer
from tests.web.visitor import session_of

JAVASCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])


@pytest.fixture
def person(admin: Admin) -> tuple[User, str]:
    """A user whose role grants one scope, and that scope."""
    scope = unique("read")
    resource = admin.resource(permissions=[scope])
    return admin.user([admin.role("user", [scope])], display_name=f"Who reads {resource['name']}"), scope


def sign_in(watched: Watched, server: LiveServer, user: User) -> Page:
    """Open a page, sign in by the form, and reach the page."""
    watched.open(f"{server.url}/account/tokens")
    page = watched.page
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(user.password)
    page.get_by_label("Password").press("Enter")
    page.wait_for_url(f"{server.url}/account/tokens")
    return page


@pytest.mark.contract(
    "a user makes a PAT by page, API, CLI",
    "a user makes, copies, uses, regenerates and revokes a token, with scripts and without, and by keyboard",
)
@JAVASCRIPT
def test_a_token_from_making_to_revoking(
    browser: Browser, server: LiveServer, admin: Admin, person: tuple[User, str], javascript: bool
) -> None:
    user, scope = person
    with browser.page(javascript=javascript, new=True) as watched:
        page = sign_in(watched, server, user)
        page.get_by_role("button", name="New token").click()
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("checkbox", name=scope).check()
        page.get_by_label("30 days", exact=True).check()
        page.get_by_role("button", name="Make the token").click()
        first = shown_secret(page, watched, javascript)
        assert admin.introspect(first)["scope"] == scope
        page.get_by_role("button", name="I have copied it").click()
        page.get_by_role("link", name="Regenerate laptop").click()
        page.get_by_role("button", name="Regenerate").click()
        second = shown_secret(page, watched, javascript)
        assert not admin.active(first) and admin.active(second)
        page.get_by_role("button", name="I have copied it").click()
        page.get_by_role("link", name="Revoke laptop").click()
        assert "stops working at once" in page.locator("main").inner_text()
        page.get_by_role("button", name="Revoke").click()
        assert "revoked" in page.get_by_role("status").first.inner_text()
        assert not admin.active(second)
        page.get_by_role("button", name="Sign out").click()
        assert page.get_by_role("heading", name="Sign in").is_visible()
        assert not watched.errors and not watched.foreign


@JAVASCRIPT
def test_the_example_for_each_tool_is_one_choice_away(
    browser: Browser, server: LiveServer, person: tuple[User, str], javascript: bool
) -> None:
    user, scope = person
    with browser.page(javascript=javascript, cookies=session_of(server.url, user)) as watched:
        watched.open(f"{server.url}/account/tokens/new?name=ci&scopes={scope}")
        page = watched.page
        page.get_by_role("button", name="Make the token").click()
        secret = page.get_by_label("Token", exact=True).input_value()
        for tool in ("GitHub Actions", "Node", "curl"):
            page.get_by_text(tool, exact=True).click()
            (example,) = [one for one in page.locator(".pane pre").all() if one.is_visible()]
            assert "LATCHKEY_TOKEN" in example.inner_text() and secret not in example.inner_text()
        page.reload()
        assert secret not in page.content() and page.get_by_text("was shown once").is_visible()
        assert not watched.errors and (not javascript or not watched.serious_findings())


def shown_secret(page: Page, watched: Watched, javascript: bool) -> str:
    """Return the secret that a page shows; with scripts, by its button."""
    field = page.get_by_label("Token", exact=True)
    secret = field.input_value()
    if javascript:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Copy").click()
        page.get_by_text("Copied", exact=True).wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == secret
        assert not watched.errors and not watched.foreign and not watched.serious_findings()
        assert watched.layout_faults() == []
    return secret


@pytest.mark.asvs("14.3.1")
@pytest.mark.contract("a secret is shown once: not by a reload, nor by going back")
def test_going_back_never_shows_the_secret_again(
    browser: Browser, server: LiveServer, person: tuple[User, str]
) -> None:
    user, scope = person
    with browser.page(cookies=session_of(server.url, user)) as watched:
        watched.open(f"{server.url}/account/tokens/new")
        page = watched.page
        page.get_by_label("Name").fill("laptop")
        page.get_by_role("checkbox", name=scope).check()
        page.get_by_role("button", name="Make the token").click()
        secret = page.get_by_label("Token", exact=True).input_value()
        page.get_by_role("button", name="I have copied it").click()
        page.get_by_role("heading", name="Personal access tokens").wait_for()
        page.go_back(wait_until="commit")
        assert secret not in page.content()


@pytest.mark.asvs("14.3.1")
def test_signing_out_reloads_the_other_tabs(browser: Browser, server: LiveServer, person: tuple[User, str]) -> None:
    user, _ = person
    with browser.page(cookies=session_of(server.url, user)) as watched:
        watched.open(f"{server.url}/account")
        page = watched.page
        other = page.context.new_page()
        other.goto(f"{server.url}/account")
        assert other.get_by_text(user.username).first.is_visible()
        page.get_by_role("button", name="Sign out").click()
        other.get_by_role("heading", name="Sign in").wait_for()
        assert user.username not in other.content()


@pytest.mark.contract(
    "a user makes, copies, uses, regenerates and revokes a token, with scripts and without, and by keyboard"
)
def test_a_token_is_created_and_revoked_by_keyboard_alone(
    browser: Browser, server: LiveServer, person: tuple[User, str]
) -> None:
    user, scope = person
    with browser.page(new=True) as watched:
        watched.open(f"{server.url}/account/tokens/new")
        page, keyboard = watched.page, watched.page.keyboard
        go_to(page, "username")
        keyboard.type(user.username)
        go_to(page, "password")
        keyboard.type(user.password)
        keyboard.press("Enter")
        page.wait_for_url(f"{server.url}/account/tokens/new")
        go_to(page, "name")
        keyboard.type("by keyboard")
        go_to(page, scope, "value")
        keyboard.press("Space")
        keyboard.press("Enter")
        page.get_by_label("Token", exact=True).wait_for()
        assert page.get_by_label("Token", exact=True).input_value().startswith("lk_pat_")


def go_to(page: Page, wanted: str, by: str = "id") -> None:
    """Press Tab until the wanted element has the focus."""
    for _ in range(40):
        if page.evaluate(f"document.activeElement.{by}") == wanted:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{wanted} is not reached by keyboard")


@pytest.mark.asvs("3.7.1", "14.2.3")
@pytest.mark.contract(
    "nothing serious by axe, no console error, no violated policy, no other host, on phone and desk, light and dark"
)
def test_each_page_looks_right(browser: Browser, server: LiveServer, admin: Admin, person: tuple[User, str]) -> None:
    user, scope = person
    made = admin.pat(user, [scope], name="nightly build")
    with browser.page() as watched:
        watched.open(f"{server.url}/login")
        assert watched.faults() == []
        watched.page.context.add_cookies(session_of(server.url, user))
        tokens = f"/account/tokens/{made['id']}"
        for path in (
            "/account",
            "/account/tokens",
            "/account/tokens/new",
            tokens,
            f"{tokens}/revoke",
            f"{tokens}/regenerate",
            f"{tokens}/secret",
        ):
            watched.open(server.url + path)
            assert watched.faults() == [], path
