"""The pages of consent and of devices in real Chromium: with and without scripts, by keyboard, on phone and desk."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from playwright.sync_api import Page

from tests.api import Admin, Client, User, permission, unique
from tests.browser import PHONE_DARK, PHONE_LIGHT, Browser
from tests.live import LiveServer
from tests.web.authorization.callback import listening
from tests.web.visitor import session_of

JAVASCRIPT = pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
IN_VIEW = """() => {
    const one = document.activeElement, bar = document.querySelector(".decision");
    const end = bar.contains(one) ? innerHeight : bar.getBoundingClientRect().top;
    return one.getBoundingClientRect().bottom <= end + 1;
}"""
MANY = [f"api {number}" for number in range(4)] + ["An API with a name that is long enough for several lines " * 3]


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    with listening() as address:
        yield f"{address}/callback"


@pytest.fixture(scope="module")
def scopes(admin: Admin) -> list[str]:
    """The names of 60 scopes of five APIs, the first of which is enough for one API."""
    names = [[unique(f"part:{number}") for number in range(12)] for _ in MANY]
    for api, own in zip(MANY, names, strict=True):
        described = [permission(name, description=f"Read and change {name} of others, too") for name in own]
        admin.resource(permissions=described, name=unique(api))
    return [name for own in names for name in own]


@pytest.fixture(scope="module")
def user(admin: Admin, scopes: list[str]) -> User:
    return admin.user([admin.role("user", scopes)], display_name="\N{HEBREW LETTER ALEF}\N{HEBREW LETTER BET}")


@pytest.fixture(scope="module")
def app(admin: Admin, callback: str) -> Client:
    return register(admin, callback, name=unique("A photo book with a long name " * 4))


def register(admin: Admin, callback: str, **fields: str) -> Client:
    grants = ["authorization_code", "refresh_token", DEVICE]
    return admin.client(token_endpoint_auth_method="none", grant_types=grants, redirect_uris=[callback], **fields)


def request_of(server: LiveServer, app: Client, *scopes: str) -> str:
    """Return the address at which an app sends its user to us."""
    asked = {"response_type": "code", "client_id": app.client_id, "scope": " ".join(scopes), "state": "a (b) &c"}
    asked |= {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"}
    return f"{server.url}/oauth/authorize?{urlencode(asked)}"


def answer_at(page: Page) -> dict[str, list[str]]:
    """Return what the app got, on the page to which its callback redirected."""
    page.wait_for_url("http://localhost:*/welcome?*")
    return parse_qs(urlsplit(page.url).query)


@pytest.mark.contract("an app is allowed on the page of consent, with scripts and without, and by keyboard")
@JAVASCRIPT
def test_from_the_app_through_sign_in_and_consent_back_to_the_app(
    browser: Browser, server: LiveServer, admin: Admin, callback: str, user: User, scopes: list[str], javascript: bool
) -> None:
    app, request = register(admin, callback), scopes[:2]
    with browser.page(javascript=javascript, new=True) as watched:
        watched.open(request_of(server, app, *request))
        page = watched.page
        page.get_by_label("Username").fill(user.username)
        page.get_by_label("Password").fill(user.password)
        page.get_by_label("Password").press("Enter")
        page.wait_for_url("**/oauth/authorize?*")
        page.get_by_role("checkbox", name=scopes[1]).uncheck()
        page.get_by_role("button", name="Allow").click()
        answer = answer_at(page)
        assert answer["code"][0].startswith("lk_code_") and answer["state"] == ["a (b) &c"]
        assert answer["iss"] == [server.issuer] and not watched.errors
        page.goto(request_of(server, app, scopes[0]))  # agreed before: no question
        assert answer_at(page)["code"] != answer["code"]


@pytest.mark.contract("an app is allowed on the page of consent, with scripts and without, and by keyboard")
def test_after_signing_out_an_app_that_was_agreed_to_is_reached_through_the_sign_in_form(
    browser: Browser, server: LiveServer, admin: Admin, callback: str, user: User, scopes: list[str]
) -> None:
    """The redirect to the app must not be part of the form's own chain of redirects, which `form-action` stops."""
    app = register(admin, callback)
    with browser.page(new=True) as watched:
        page = watched.page
        for _ in range(2):
            page.context.clear_cookies()
            watched.open(request_of(server, app, scopes[0]))
            page.get_by_label("Username").fill(user.username)
            page.get_by_label("Password").fill(user.password)
            page.get_by_label("Password").press("Enter")
            page.wait_for_url(lambda url: "/login" not in url)
            if page.get_by_role("button", name="Allow").is_visible():
                page.get_by_role("button", name="Allow").click()
            assert "code" in answer_at(page)
        assert not watched.errors


def test_refusing_returns_to_the_app_without_a_code(
    browser: Browser, server: LiveServer, app: Client, user: User, scopes: list[str]
) -> None:
    with browser.page(cookies=session_of(server.url, user)) as watched:
        watched.open(request_of(server, app, scopes[0]))
        watched.page.get_by_role("button", name="Refuse").click()
        answer = answer_at(watched.page)
        assert answer["error"] == ["access_denied"] and "code" not in answer and not watched.errors


@pytest.mark.contract("an app is allowed on the page of consent, with scripts and without, and by keyboard")
def test_consent_by_keyboard_alone(
    browser: Browser, server: LiveServer, app: Client, user: User, scopes: list[str]
) -> None:
    with browser.page(cookies=session_of(server.url, user)) as watched:
        watched.open(request_of(server, app, *scopes))
        page, keyboard = watched.page, watched.page.keyboard
        for _ in range(100):
            keyboard.press("Tab")
            focused = page.evaluate("document.activeElement.name + ' ' + document.activeElement.value")
            page.wait_for_function(IN_VIEW)  # it scrolls smoothly
            if focused == f"scopes {scopes[-1]}":
                keyboard.press("Space")
            if focused == "decision allow":
                break
        assert not page.get_by_role("checkbox", name=scopes[-1]).is_checked()
        keyboard.press("Enter")
        assert "code" in answer_at(page)


@pytest.mark.parametrize("count", [1, 60])
def test_the_question_fits_with_one_scope_and_with_sixty(
    browser: Browser,
    server: LiveServer,
    app: Client,
    admin: Admin,
    callback: str,
    user: User,
    scopes: list[str],
    count: int,
) -> None:
    fresh = register(admin, callback, client_uri=f"https://{'sub.' * 30}example/about")
    with browser.page(cookies=session_of(server.url, user)) as watched:
        watched.open(request_of(server, fresh, *scopes[:count]))
        assert watched.page.get_by_role("checkbox", checked=True).count() == count
        assert watched.faults(PHONE_DARK) == []
        assert watched.faults(PHONE_LIGHT) == []


@pytest.mark.spec("RFC 8628 §3.3")
@pytest.mark.contract("a device is connected by its code, and guessing a code is limited")
@JAVASCRIPT
def test_a_device_is_connected_by_its_code(
    browser: Browser, server: LiveServer, app: Client, user: User, scopes: list[str], javascript: bool
) -> None:
    form = {"client_id": app.client_id, "scope": scopes[0]}
    codes = server.http.post("/oauth/device_authorization", data=form).json()
    with browser.page(javascript=javascript, cookies=session_of(server.url, user)) as watched:
        watched.open(f"{server.url}/device")
        page = watched.page
        assert not javascript or watched.faults() == []
        page.get_by_label("Code").fill(codes["user_code"].lower().replace("-", " "))
        page.get_by_role("button", name="Continue").click()
        assert page.get_by_text("nobody from us asks for this code").is_visible()
        assert not javascript or watched.faults() == []
        page.get_by_role("button", name="Allow").click()
        page.get_by_role("heading", name="Your device is connected").wait_for()
        assert not javascript or watched.faults() == []
    grant = form | {"grant_type": DEVICE, "device_code": codes["device_code"]}
    del grant["scope"]
    assert server.http.post("/oauth/token", data=grant).json()["scope"] == scopes[0]
