"""Set up Django before any test imports Django REST framework, which reads its settings then."""

import asyncio
from collections.abc import Iterator

import pytest

import tests.resource_server.django_project  # noqa: F401
from tests.resource_server.fake_server import FakeServer
from tests.resource_server.guards import FLAVOURS, Caller, calling


@pytest.fixture(autouse=True)
def _own_event_loop() -> Iterator[None]:
    """Hide the event loop that Playwright keeps in the thread of the tests once it has a browser."""
    kept = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    yield
    asyncio._set_running_loop(kept)


@pytest.fixture(params=FLAVOURS)
def flavour(request: pytest.FixtureRequest) -> str:
    """Each kind of guard in turn."""
    return str(request.param)


@pytest.fixture
def caller(flavour: str, server: FakeServer) -> Iterator[Caller]:
    """A guard that asks the server of the test's module."""
    with calling(flavour, server) as made:
        yield made
