"""Imports flow one way, and each framework stays in its packages: the contracts are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from tests.architecture.checkout import ROOT


def test_every_import_contract_holds() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
