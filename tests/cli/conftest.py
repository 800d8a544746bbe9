"""The instance that the tests of commands copy: `latchkey init` runs once for a file."""

import shutil
from pathlib import Path

import pytest

from tests.cli.test_serve import run
from tests.databases import database_in


@pytest.fixture(scope="module")
def set_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An instance with the default settings, to be copied."""
    folder = tmp_path_factory.mktemp("set-up") / "instance"
    assert run(folder, "init").returncode == 0
    return folder


@pytest.fixture
def instance(set_up: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    folder = tmp_path / "instance"
    shutil.copytree(set_up, folder)
    database_in(set_up).clone_to(folder)
    return folder
