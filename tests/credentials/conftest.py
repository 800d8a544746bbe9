"""Make the fixtures of the core available, with the kind that only the tests have."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.core import Core, blank_database, core, start_core
from tests.credentials.badge import further_kinds
from tests.databases import Database

__all__ = ["blank_database", "core"]


@pytest.fixture
def empty_core(tmp_path: Path, blank_database: Database) -> Iterator[Core]:
    """A core without any rows that issues badges, too."""
    blank_database.copy_to(tmp_path)
    made = start_core(tmp_path, further_kinds)
    yield made
    made.actions.usage.stop()
    made.store.dispose()
