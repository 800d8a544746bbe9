"""One application for the tests of a module; `own_wire` makes further ones, with settings of their own."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

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
