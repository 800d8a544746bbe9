"""A pytest plugin: one Chromium for the tests of a process, as Playwright can run only once in it."""

from collections.abc import Iterator

import pytest

from tests.api import User
from tests.browser import PROGRAMS, Browser, Cookies
from tests.live import LiveServer
from tests.machine import require_program
from tests.web.pseudo_locale import use_pseudo_locale
from tests.web.visitor import session_of


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A real Chromium that connects to this machine only."""
    program = require_program(*PROGRAMS)
    with Browser.start(program) as started:
        yield started


@pytest.fixture(scope="module")
def browser(chromium: Browser) -> Iterator[Browser]:
    """The Chromium of the process, with pages that no other module has used."""
    yield chromium
    chromium.close_idle_pages()


@pytest.fixture(scope="module")
def session(server: LiveServer) -> Cookies:
    """The cookies of a signed-in administrator of the server of a module."""
    first = server.bootstrap
    return session_of(server.url, User("", first["admin_username"], first["admin_password"]))


@pytest.fixture
def pseudo_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Show each text of the catalogs in brackets, in every language but English."""
    use_pseudo_locale(monkeypatch)
