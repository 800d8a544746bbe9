"""An application with an app that every test may connect, and a signed-in user."""

from collections.abc import Iterator

import pytest

from app.actions.sign_in.clients import KnownClient
from tests.app_grants import register_app
from tests.management.face import Face, start_face, stop_face
from tests.web.visitor import Visitor, sign_in_at_once


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """The application that the tests of a module share."""
    made = start_face(tmp_path_factory.mktemp("authorization"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture(scope="module")
def app(face: Face) -> KnownClient:
    """An app that an operator registered."""
    return register_app(face.core, "Backup")


@pytest.fixture
def name(face: Face) -> str:
    """The name of a user who may read and write orders."""
    return face.person("orders:read", "orders:write")


@pytest.fixture
def who(face: Face, name: str) -> Visitor:
    """The browser of that user."""
    return sign_in_at_once(face, name)
