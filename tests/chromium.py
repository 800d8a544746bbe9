"""A pytest plugin: one Chromium for the tests of a process, as Playwright can run only once in it."""

from collections.abc import Iterator

import pytest

from tests.browser import PROGRAMS, Browser
from tests.machine import require_program


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A real Chromium that connects to this machine only."""
    program = require_program(*PROGRAMS)
    with Browser.start(program) as started:
        yield started
