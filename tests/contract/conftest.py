"""An organisation that the tests of a file share; a test that changes one creates its own (`create_world`)."""

import pytest

from tests.api import Admin
from tests.contract.world import World, create_world


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    """An organisation on the shared server; a test must not change it."""
    return create_world(admin)
