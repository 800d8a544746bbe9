"""The two lanes over one database, one for the tests of a module; `own_lanes` makes further ones."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fast_lane.lanes import Lanes, capture
from tests.fast_lane.scene import make

OwnLanes = Callable[..., Lanes]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lanes]:
    made = Lanes(tmp_path_factory.mktemp("lanes"))
    yield made
    made.close()


@pytest.fixture
def lanes(shared: Lanes, monkeypatch: pytest.MonkeyPatch) -> Lanes:
    """The lanes that the tests of a module share."""
    capture(shared, monkeypatch)
    return shared


@pytest.fixture(scope="module")
def tokens(shared: Lanes) -> dict[str, str]:
    """A credential of every kind in every state, by its name in scene.MADE."""
    return make(shared.wire)


@pytest.fixture
def own_lanes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OwnLanes]:
    """Make lanes: own_lanes(trusted_proxies="10.0.0.0/8")."""
    made: list[Lanes] = []

    def start(**settings: Any) -> Lanes:
        folder = tmp_path / f"lanes{len(made)}"
        folder.mkdir()
        made.append(Lanes(folder, **settings))
        capture(made[-1], monkeypatch)
        return made[-1]

    yield start
    for lanes in made:
        lanes.close()
