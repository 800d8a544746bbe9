"""One application for the tests of a module; `own_wire` makes further ones, with settings of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.actions.limits.abuse import NEW_APPS
from tests.oauth.documents import AppHost
from tests.oauth.registering import Registry
from tests.oauth.wire import Wire, start_wire, stop_wire


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """The application that the tests of a module share."""
    made = start_wire(tmp_path_factory.mktemp("wire"))
    yield made
    stop_wire(made)


@pytest.fixture
def own_wire(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Make an application: own_wire(trusted_proxies="10.0.0.0/8")."""
    made: list[Wire] = []

    def make(**settings: Any) -> Wire:
        folder = tmp_path / f"wire{len(made)}"
        folder.mkdir()
        made.append(start_wire(folder, **settings))
        return made[-1]

    yield make
    for wire in made:
        stop_wire(wire)


@pytest.fixture
def app_host() -> Iterator[AppHost]:
    """A host on loopback with one client metadata document."""
    made = AppHost()
    yield made
    made.close()


@pytest.fixture(scope="module")
def _reading(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    folder = tmp_path_factory.mktemp("documents")
    made = start_wire(folder, client_id_metadata="on", allow_private_jwks_uri=True, rate_limits="on")
    made.core.actions.client_documents._failures._monotonic = lambda: made.core.clock().timestamp()
    yield made
    stop_wire(made)


@pytest.fixture
def reader(_reading: Wire) -> Wire:
    """A server that reads documents, also from loopback, with no limit spent; its pauses pass with its clock."""
    _reading.core.clock.advance(seconds=NEW_APPS.window_seconds)
    return _reading


@pytest.fixture(scope="module")
def outward(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    """A server that reads documents from public addresses only."""
    made = start_wire(tmp_path_factory.mktemp("outward"), client_id_metadata="on")
    yield made
    stop_wire(made)


@pytest.fixture(scope="module")
def _opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("registry"), registration="open")
    yield made
    stop_wire(made)


@pytest.fixture
def registry(_opened: Wire) -> Registry:
    """A registry for anybody, without limits."""
    return Registry(_opened)
