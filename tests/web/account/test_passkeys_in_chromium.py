"""Passkeys in real Chromium, with its virtual authenticator (WebAuthn §11), and the pages of second factors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from playwright.sync_api import CDPSession, Page

from app.web.languages import COOKIE
from tests.api import Admin, User
from tests.browser import PHONE_DARK, PHONE_LIGHT, Browser, Watched
from tests.live import LiveServer
from tests.web.visitor import session_of

LANGUAGES = ("en", "zh-Hant", "sv", "ru", "nl")
PAGE = "/account/second-factor"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server that is known by a name, as passkeys need it."""
    live = LiveServer(tmp_path_factory.mktemp("named") / "instance", {"require_second_factor": "off"})
    live.settings["issuer"] = live.url = f"http://localhost:{live.port}"
    yield live.start()
    live.kill()


@pytest.fixture
def person(named: LiveServer) -> User:
    return Admin(named).user([])


@contextmanager
def authenticator(page: Page, **options: Any) -> Iterator[tuple[CDPSession, str]]:
    """Connect a virtual authenticator that is inside the device, and verifies its user at once."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    settings = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    } | options
    added = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": settings})
    yield devtools, added["authenticatorId"]
    devtools.detach()


def sign_in(watched: Watched, server: LiveServer, user: User, onward: str) -> Page:
    watched.open(f"{server.url}{onward}")
    page = watched.page
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password", exact=True).fill(user.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    return page


def add_passkey(page: Page, name: str) -> None:
    page.get_by_label("Name of the passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()


@pytest.mark.asvs("6.3.3")
@pytest.mark.contract("a passkey is a second factor, and the whole sign-in")
def test_a_passkey_from_making_to_removing(browser: Browser, named: LiveServer, person: User) -> None:
    with browser.page(new=True) as watched, authenticator(watched.page) as (devtools, device):
        page = sign_in(watched, named, person, PAGE)
        add_passkey(page, "this laptop")
        page.get_by_role("heading", name="Recovery codes").wait_for()
        codes = page.locator("#secret").inner_text().split()
        assert len(codes) == 10 and not watched.faults(PHONE_LIGHT)
        page.get_by_role("button", name="I have kept them").click()
        assert page.get_by_role("row", name="this laptop").is_visible()
        [made] = devtools.send("WebAuthn.getCredentials", {"authenticatorId": device})["credentials"]
        assert made["isResidentCredential"] and made["rpId"] == "localhost"
        page.get_by_role("button", name="Sign out").click()

        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(f"{named.url}/account/tokens")
        page.get_by_role("button", name="Sign out").click()

        page = sign_in(watched, named, person, "/account")
        page.get_by_role("heading", name="Second step").wait_for()
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url(f"{named.url}/account")

        watched.open(f"{named.url}{PAGE}")
        page.get_by_role("link", name="Remove this laptop").click()
        page.get_by_role("button", name="Remove").click()
        page.get_by_text("The passkey is removed.").wait_for()
        assert not watched.errors and not watched.foreign


def test_the_same_authenticator_is_not_added_twice(browser: Browser, named: LiveServer, person: User) -> None:
    with browser.page(new=True) as watched, authenticator(watched.page):
        page = sign_in(watched, named, person, PAGE)
        add_passkey(page, "one")
        page.get_by_role("button", name="I have kept them").click()
        add_passkey(page, "two")
        page.get_by_text("No passkey was used").wait_for()
        assert page.get_by_role("row", name="two").count() == 0


def test_a_user_who_is_not_verified_makes_no_passkey(browser: Browser, named: LiveServer, person: User) -> None:
    with browser.page(new=True) as watched, authenticator(watched.page, isUserVerified=False):
        page = sign_in(watched, named, person, PAGE)
        add_passkey(page, "one")
        page.get_by_text("No passkey was used").wait_for()


def test_an_app_is_set_up_from_the_page_and_used(browser: Browser, named: LiveServer, person: User) -> None:
    with browser.page(new=True) as watched:
        page = sign_in(watched, named, person, PAGE)
        page.get_by_role("button", name="Set up an app").click()
        assert page.locator("svg.qr").bounding_box() and not watched.faults()
        app = pyotp.TOTP(page.get_by_role("textbox", name="Secret").input_value())
        page.get_by_label("Code of your authenticator app").fill(app.now())
        page.get_by_role("button", name="Add the app").click()
        page.get_by_role("button", name="I have kept them").click()
        assert not watched.faults()
        page.get_by_role("button", name="Sign out").click()
        page = sign_in(watched, named, person, "/account")
        page.get_by_role("heading", name="Second step").wait_for()
        assert not watched.faults()
        later = datetime.now(UTC) + timedelta(seconds=30)  # the present step was spent by the set-up
        page.get_by_label("Code of your authenticator app").fill(app.at(later))
        page.get_by_role("button", name="Check the code").click()
        page.wait_for_url(f"{named.url}/account")
        assert not watched.foreign


@pytest.mark.contract("the pages of second factors on a phone and a desktop, light and dark, without a finding of axe")
@pytest.mark.parametrize("looks", [PHONE_DARK, PHONE_LIGHT], ids=["phone dark", "phone light"])
def test_the_pages_have_no_faults(browser: Browser, named: LiveServer, person: User, looks: Any) -> None:
    with browser.page(new=True) as watched, authenticator(watched.page):
        watched.open(f"{named.url}/login")
        assert watched.page.get_by_role("button", name="Sign in with a passkey").is_visible()
        assert not watched.faults(looks)
        page = sign_in(watched, named, person, PAGE)
        page.get_by_role("heading", name="Second factor").wait_for()
        assert not watched.faults(looks)
        add_passkey(page, "a device with a name that is as long as a name may be, or so")
        page.get_by_role("button", name="I have kept them").click()
        assert not watched.faults(looks)
        page.get_by_role("link", name="Remove a device").click()
        page.get_by_role("button", name="Remove").wait_for()
        assert not watched.faults(looks)
        watched.open(f"{named.url}/account")
        assert not watched.faults(looks)


@pytest.mark.contract("without scripts, the second step takes codes and recovery codes")
def test_without_scripts_no_passkey_is_offered(browser: Browser, named: LiveServer, person: User) -> None:
    with browser.page(javascript=False, new=True) as watched:
        watched.open(f"{named.url}/login")
        assert not watched.page.get_by_role("button", name="Sign in with a passkey").is_visible()
        page = sign_in(watched, named, person, PAGE)
        assert page.get_by_text("This browser cannot make a passkey").is_visible()


@pytest.mark.contract("the pages of second factors fit in five languages")
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pages_fit_in_each_language(browser: Browser, named: LiveServer, person: User, language: str) -> None:
    chosen = [{"name": COOKIE, "value": language, "url": named.url}]
    with (
        browser.page(new=True, cookies=[*session_of(named.url, person), *chosen]) as watched,
        authenticator(watched.page),
    ):
        watched.open(f"{named.url}{PAGE}")
        assert watched.page.locator("html").get_attribute("lang") == language
        assert watched.layout_faults() == []
        watched.page.locator("#name").fill("telephone")
        watched.page.locator("form[data-passkey] button").click()
        watched.page.locator("#secret").wait_for()
        assert watched.layout_faults() == []
        watched.open(f"{named.url}{PAGE}")
        watched.page.locator("#app form button").click()
        watched.page.locator("svg.qr").wait_for()
        assert watched.layout_faults() == [] and not watched.serious_findings(contrast=False)
        watched.open(f"{named.url}/login?again=1")
        watched.page.locator("#username").fill(person.username)
        watched.page.locator("#password").fill(person.password)
        watched.page.locator("form[data-signed-out] button[type=submit]").click()
        watched.page.locator("details summary").click()
        assert watched.layout_faults() == [] and not watched.serious_findings(contrast=False)
        assert not watched.errors and not watched.foreign
