"""Make the fixtures of the core available, with the kind that only the tests have."""

import pytest

from app.compose import FurtherKinds
from tests.core import blank_database, core, empty_core
from tests.credentials import badge

__all__ = ["blank_database", "core", "empty_core"]


@pytest.fixture
def further_kinds() -> FurtherKinds:
    """Issue badges beside the kinds of the server."""
    return badge.further_kinds
