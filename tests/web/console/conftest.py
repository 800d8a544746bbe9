"""One application for the tests of a module, and an operator at a browser."""

from collections.abc import Iterator

import pytest

from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application that the tests of a module share."""
    made = start_face(tmp_path_factory.mktemp("console"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def operator(face: Face) -> Visitor:
    """Somebody who manages, signed in."""
    return managing(face)


@pytest.fixture
def own_face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """An application of one's own: what is listed and counted is all there is."""
    made = start_face(tmp_path_factory.mktemp("console"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture
def own_operator(own_face: Face) -> Visitor:
    """Somebody who manages that one, signed in, with a page of the console before them."""
    visitor = managing(own_face)
    visitor.get("/console")
    return visitor


def managing(face: Face) -> Visitor:
    """Sign in somebody whose role gives `manage`."""
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(face.person("manage"), PASSWORD)
    return visitor
