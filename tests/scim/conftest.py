"""One application for the tests of a module, and a provisioning client of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.management.face import Face, start_face, stop_face
from tests.scim.provisioner import Provisioner


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application that the tests of a module share."""
    made = start_face(tmp_path_factory.mktemp("scim"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def scim(face: Face) -> Provisioner:
    """A client whose token holds `scim` and nothing else."""
    return Provisioner(face, face.machine("scim"))


@pytest.fixture
def own_scim(tmp_path: Path) -> Iterator[Provisioner]:
    """A client of an application that one test has for itself."""
    made = start_face(tmp_path, rate_limits="off")
    yield Provisioner(made, made.machine("scim"))
    stop_face(made)
