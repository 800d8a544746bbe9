"""The world of the tests of apps."""

import pytest

from tests.actions.delegation.world import AppWorld, build_world
from tests.core import Core


@pytest.fixture
def world(empty_core: Core) -> AppWorld:
    """A user and an app."""
    return build_world(empty_core)
