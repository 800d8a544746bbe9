"""One application for the tests of a module, and an administrator's token."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.management.face import Face, start_face, stop_face


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application that the tests of a module share."""
    made = start_face(tmp_path_factory.mktemp("api"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def admin(face: Face) -> str:
    """A token that holds `manage`."""
    return face.machine("manage")


@pytest.fixture
def own_face(tmp_path: Path) -> Iterator[Face]:
    """An application that one test may break."""
    made = start_face(tmp_path)
    yield made
    stop_face(made)
