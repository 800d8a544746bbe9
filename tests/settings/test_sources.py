"""The instance folder is the checkout's, from whatever folder a command is run."""

from pathlib import Path

import pytest

from app.settings.sources import default_instance_dir
from tests.architecture.checkout import ROOT


def test_the_instance_folder_of_a_checkout_does_not_depend_on_the_working_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("LATCHKEY_INSTANCE_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert default_instance_dir() == ROOT / "instance"
