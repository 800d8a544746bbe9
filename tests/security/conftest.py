"""An application to share; nodes to attack, on the database alone and with a real Redis, each time as if nobody had."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.management.face import Face, start_face, stop_face
from tests.oauth.wire import Wire, start_wire, stop_wire
from tests.redis_server import running_redis
from tests.security.siege import Siege, under_siege

OwnSiege = Callable[..., Siege]


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application that the tests of a module share."""
    made = start_face(tmp_path_factory.mktemp("shared"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module", params=["database", "redis"])
def _besieged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with ExitStack() as stack:
        redis_url = stack.enter_context(running_redis()).url if request.param == "redis" else ""
        yield stack.enter_context(under_siege(tmp_path_factory.mktemp("siege"), redis_url))


@pytest.fixture
def siege(_besieged: Siege) -> Siege:
    """Two nodes, on each storage in turn."""
    return _besieged.begin()


@pytest.fixture(scope="module")
def _on_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Siege]:
    with under_siege(tmp_path_factory.mktemp("siege"), trusted_proxies="10.0.0.0/8") as made:
        yield made


@pytest.fixture
def alone(_on_database: Siege) -> Siege:
    """Two nodes without a Redis that trust a proxy, for what no storage makes a difference to."""
    return _on_database.begin()


@pytest.fixture
def own_siege(tmp_path: Path) -> Iterator[OwnSiege]:
    """Make nodes of one's own: own_siege(rate_limits="off")."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(under_siege(tmp_path, **settings))


@pytest.fixture
def own_wire(tmp_path: Path) -> Iterator[Callable[..., Wire]]:
    """Make one application whose clock and rows a test changes: own_wire(registration="token")."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Wire:
            made = start_wire(tmp_path, **settings)
            stack.callback(stop_wire, made)
            return made

        yield make
