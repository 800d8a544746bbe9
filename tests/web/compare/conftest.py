"""The application that the tests of a module share, and the same before its first comparison."""

from collections.abc import Iterator

import pytest

from tests.management.face import Face, start_face, stop_face


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application that the tests of a module share."""
    made = start_face(tmp_path_factory.mktemp("pages"))
    yield made
    stop_face(made)


@pytest.fixture
def unmeasured(face: Face) -> Face:
    """The same server, before its first comparison."""
    (face.core.actions.settings.instance_dir / "comparison.json").unlink(missing_ok=True)
    return face
