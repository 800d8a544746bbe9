"""A pytest plugin: with TEST_DATABASE=both, what is marked `both_databases` runs on SQLite and again on PostgreSQL.

A whole file is marked, or each test of it that reaches the database. The second time they are named as in
tests/actions/directory/test_races.py::postgresql::test_name.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.databases import BOTH, CHOICE, POSTGRESQL, SQLITE, chosen

MARKER = "both_databases"
_both = pytest.StashKey[bool]()


class OnPostgresql(pytest.Module):
    """The marked tests of a file, on PostgreSQL."""

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Collect the marked tests."""
        if MARKER not in self.path.read_text(encoding="utf-8"):
            return []
        return [test for test in super().collect() if test.get_closest_marker(MARKER)]


class SecondTime(pytest.File):
    """A file for the second time: a module below it keeps the names of tests apart."""

    def collect(self) -> Iterable[pytest.Collector]:
        """Return the one module."""
        nodeid = f"{self.nodeid}::{POSTGRESQL}"
        return [OnPostgresql.from_parent(self, path=self.path, name=POSTGRESQL, nodeid=nodeid)]


def pytest_configure(config: pytest.Config) -> None:
    """Remember the choice: the variable names the database of the test that runs."""
    config.stash[_both] = chosen() == BOTH


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect each file of tests for the second time, when the run is on both."""
    if parent.config.stash[_both] and file_path.match("test_*.py"):
        return SecondTime.from_parent(parent, path=file_path)
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Choose the database before the fixtures of a test are set up."""
    if item.config.stash[_both]:
        os.environ[CHOICE] = POSTGRESQL if item.getparent(OnPostgresql) else SQLITE
