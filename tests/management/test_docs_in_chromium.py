"""The page about the API in real Chromium: on a phone and a desk, light and dark, with and without JavaScript."""

from tests.browser import PHONE_DARK, Browser
from tests.live import LiveServer

OPEN_ALL = "document.querySelectorAll('details').forEach(one => { one.open = true })"


def test_the_page_is_accessible_and_fits(browser: Browser, server: LiveServer) -> None:
    with browser.page() as watched:
        watched.open(f"{server.url}/api/docs")
        watched.page.evaluate(OPEN_ALL)
        assert watched.layout_faults() == []
        for width, scheme in PHONE_DARK.items():
            watched.show_as(width, scheme)
            assert watched.findings() == [], (width, scheme)
        assert watched.errors == watched.foreign == []


def test_a_client_authorizes_and_sends_an_example(browser: Browser, server: LiveServer) -> None:
    with browser.page() as watched:
        watched.open(f"{server.url}/api/docs")
        page = watched.page
        page.fill("#authorize [name=client_id]", server.bootstrap["client_id"])
        page.fill("#authorize [name=client_secret]", server.bootstrap["client_secret"])
        page.click("#authorize button")
        page.locator("#authorized", has_text="Authorized for").wait_for()
        assert "manage" in page.inner_text("#authorized")
        page.click("#get_resources > summary")
        page.click("#get_resources .api-try button")
        page.locator("#get_resources .api-answer", has_text="next_cursor").wait_for()
        page.click("#introspect > summary")
        page.click("#introspect .api-try button")
        page.locator("#introspect .api-answer", has_text='"active": false').wait_for()
        assert watched.errors == watched.foreign == []


def test_without_javascript_the_operations_can_be_read(browser: Browser, server: LiveServer) -> None:
    with browser.page(390, javascript=False) as watched:
        watched.open(f"{server.url}/api/docs")
        page = watched.page
        assert not page.locator("#authorize").is_visible()
        page.click("#post_api_keys > summary")
        assert "curl -X POST" in page.inner_text("#post_api_keys")
        assert watched.errors == []
