"""The console of a server with 5,000 users, 20,000 tokens, 300 roles and 1,000 keys in real Chromium."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from app.database.store import Store
from tests.actions.insight import crowd
from tests.browser import Browser, Cookies
from tests.live import LiveServer

PATHS = (
    "",
    "/credentials",
    "/credentials?status=expired&sort=name",
    *("/credentials/pat_00007", "/credentials/key_7", "/credentials/cli_7", "/credentials/grt_7"),
    "/clients/cli_7/grants",
    "/users",
    "/users?q=user49",
    "/users/usr_7",
    "/users/usr_7/tokens/new",
    "/users/usr_7/apps",
    "/users/new",
    "/clients",
    "/roles",
    "/roles/role_7",
    "/roles/new",
    "/resources",
    "/resources/res_7",
    "/api-keys",
    "/api-keys/new",
    "/holders?scope=scope8",
    "/audit",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose database is filled."""
    live = LiveServer(tmp_path_factory.mktemp("large") / "instance").start()
    store = Store(live.database.engine())
    crowd.seed(store, datetime.now(UTC))
    crowd.seed_grants(store, "cli_7", ["usr_7", "usr_8"], datetime.now(UTC), 200)
    crowd.seed_usage(store, datetime.now(UTC))
    store.dispose()
    yield live
    live.stop()


@pytest.mark.contract("every page of the console fits with 5,000 users, 20,000 tokens, 300 roles and 1,000 keys")
def test_every_page_fits(browser: Browser, server: LiveServer, session: Cookies) -> None:
    with browser.page(cookies=session) as watched:
        for path in PATHS:
            watched.open(f"{server.url}/console{path}")
            assert watched.page.locator("h1").count() == 1, path
            assert watched.layout_faults() == [], path
            assert watched.errors == watched.foreign == [], path
