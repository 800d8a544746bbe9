"""An application that the tests of a module share, and a signed-in operator."""

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
    """The browser of a signed-in operator."""
    return sign_in_operator(face)


@pytest.fixture
def own_face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """An application for one test, whose lists and counts hold only that test's objects."""
    made = start_face(tmp_path_factory.mktemp("console"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture
def own_operator(own_face: Face) -> Visitor:
    """The browser of an operator of `own_face`, signed in, with a page of the console open."""
    visitor = sign_in_operator(own_face)
    visitor.get("/console")
    return visitor


def sign_in_operator(face: Face) -> Visitor:
    """Sign in a user whose role grants `manage`."""
    visitor = Visitor(face.app.test_client())
    visitor.sign_in(face.person("manage"), PASSWORD)
    return visitor
