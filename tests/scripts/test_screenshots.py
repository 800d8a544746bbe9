"""The pictures of the pages are made by a script, which refuses a page that does not look right."""

import os
import subprocess
from pathlib import Path

import pytest

from tests import fork_server
from tests.architecture.checkout import ROOT
from tests.browser import PROGRAMS
from tests.machine import require_program

PAGES = ("compare", "sign-in", "account", "tokens", "new-token", "console", "holders")


@pytest.mark.contract("the page `/compare` shows the same")
def test_each_page_is_photographed_and_nothing_is_wrong_with_it(tmp_path: Path) -> None:
    require_program(*PROGRAMS)
    environment = os.environ | fork_server.shared()
    command = [ROOT / "scripts" / "screenshots", tmp_path]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("Nothing wrong")
    pictures = {file.name: file.read_bytes()[:4] for file in tmp_path.iterdir()}
    looks = [f"{width}-{scheme}.png" for width in ("phone", "desk") for scheme in ("light", "dark")]
    assert set(pictures) == {f"{page}{end}" for page in PAGES for end in (".pdf", *(f"-{look}" for look in looks))}
    assert all(start == b"%PDF" for name, start in pictures.items() if name.endswith(".pdf"))
    assert all(start == b"\x89PNG" for name, start in pictures.items() if name.endswith(".png"))
