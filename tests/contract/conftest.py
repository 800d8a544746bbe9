"""An organisation that the tests of a file share: a test that changes it creates its own (`found`)."""

import pytest

from tests.api import Admin
from tests.contract.world import World, found


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    """An organisation on the shared server; take it as it is."""
    return found(admin)
