"""A link that sets a password, in real Chromium: the secret leaves the address, and never reaches the server's log."""

import pytest

from tests.api import Admin, unique
from tests.browser import Browser
from tests.live import LiveServer

PASSWORD = "seventeen yellow umbrellas"


@pytest.mark.contract("invitation and reset links work once, for an hour")
@pytest.mark.parametrize("javascript", [True, False], ids=["scripts", "no scripts"])
def test_an_invited_user_sets_a_password(browser: Browser, server: LiveServer, admin: Admin, javascript: bool) -> None:
    user = admin.create("/users", {"username": unique("ann")})
    url = admin.post(f"/users/{user['id']}/links", {"purpose": "invitation"}).json()["url"]
    secret = url.partition("#")[2]
    with browser.page(javascript=javascript, new=True) as watched:
        page = watched.page
        page.goto(url)
        if javascript:
            page.wait_for_function("location.hash === ''")
            assert not page.get_by_label("The part of the link after #").is_visible()
        else:
            page.get_by_label("The part of the link after #").fill(secret)
        page.get_by_role("button", name="Continue").click()
        assert user["username"] in page.locator("main").inner_text()
        page.get_by_label("New password", exact=True).fill(PASSWORD)
        page.get_by_label("New password again").fill(PASSWORD)
        page.get_by_role("button", name="Set the password").click()
        page.wait_for_url(f"{server.url}/account/tokens")
    assert secret not in server.log_text()
