"""A browser gets a page for what no route takes; programs get the error format of their interface."""

import httpx
import pytest

from tests.browser import Browser
from tests.live import LiveServer

BROWSER = {
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
}
PAGE, OAUTH, PROBLEM = "text/html; charset=utf-8", "application/json", "application/problem+json"


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nothing", 404, PAGE),
        ("GET", "/compare/nothing", 404, PAGE),
        ("GET", "/%3Cscript%3E", 404, PAGE),
        ("PUT", "/login", 405, PAGE),
        ("GET", "/oauth/nothing", 404, OAUTH),
        ("GET", "/oauth/token", 405, OAUTH),
        ("GET", "/.well-known/nothing", 404, OAUTH),
        ("GET", "/api/v1/nothing", 404, PROBLEM),
    ],
)
def test_the_error_has_the_format_of_the_path(
    server: LiveServer, method: str, path: str, status: int, kind: str
) -> None:
    answer = server.http.request(method, path, headers=BROWSER)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, kind)
    assert "<script>" not in answer.text
    assert ("Allow" in answer.headers) is (status == 405)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/avif,*/*"])
def test_a_program_gets_json(server: LiveServer, accept: str) -> None:
    answer: httpx.Response = server.http.get("/nothing", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["error"]) == (404, "invalid_request")


def test_the_page_is_whole_and_leads_on(server: LiveServer, browser: Browser) -> None:
    with browser.page(width=390) as watched:
        watched.open(f"{server.url}/nothing")
        assert watched.errors == [
            "console: Failed to load resource: the server responded with a status of 404 (Not Found)",
            f"{server.url}/nothing answers 404",
        ]
        assert not watched.serious_findings() and not watched.scrolls_sideways()
        watched.page.get_by_role("link", name="Go to the start page").click()
        watched.page.wait_for_url(f"{server.url}/login**")


def test_signing_in_begins_in_the_first_empty_field(server: LiveServer, browser: Browser) -> None:
    with browser.page() as watched:
        watched.open(f"{server.url}/login")
        assert watched.page.evaluate("document.activeElement.id") == "username"
        watched.page.get_by_label("Username").fill("nobody")
        watched.page.get_by_label("Password").fill("wrong")
        watched.page.keyboard.press("Enter")
        watched.page.get_by_role("alert").wait_for()
        assert watched.page.evaluate("document.activeElement.id") == "password"


def test_a_button_shows_the_password_and_hides_it_again(server: LiveServer, browser: Browser) -> None:
    with browser.page() as watched:
        watched.open(f"{server.url}/login")
        button, field = watched.page.get_by_role("button", name="Show password"), watched.page.locator("#password")
        field.fill("secret")
        button.click()
        assert (field.get_attribute("type"), button.get_attribute("aria-pressed")) == ("text", "true")
        button.click()
        assert (field.get_attribute("type"), field.input_value()) == ("password", "secret")
        assert not watched.errors and not watched.serious_findings()


def test_without_scripts_there_is_no_such_button(server: LiveServer, browser: Browser) -> None:
    with browser.page(javascript=False) as watched:
        watched.open(f"{server.url}/login")
        assert not watched.page.get_by_role("button", name="Show password").is_visible()
