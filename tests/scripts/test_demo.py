"""scripts/demo runs to its end without a person, and leaves nothing behind."""

import contextlib
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.contract.waiting import until

ROOT = Path(__file__).parent.parent.parent
WHOLE_SECRET = re.compile(r"lk_(?:pat|key|sec|ref|code)_[0-9A-Za-z]{38}|eyJ[\w-]{20,}\.[\w-]+\.[\w-]+")


def test_the_demo_runs_to_its_end_and_leaves_nothing_behind(tmp_path: Path) -> None:
    environment = os.environ | {"TMPDIR": str(tmp_path), "HOME": str(tmp_path), "LATCHKEY_PORT": "1"}
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 contradictions" in done.stdout
    for kind in ("lk_pat_", "lk_key_", "lk_ref_", "eyJ"):
        assert kind in done.stdout
    assert not WHOLE_SECRET.search(done.stdout)
    assert not list(tmp_path.iterdir())
    until(lambda: not still_running(str(tmp_path)))


def still_running(folder: str) -> list[str]:
    """Return the commands of the processes that were started with this folder, or that write into it."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            written = [os.readlink(process / "fd" / number) for number in "12"]
            if folder in f"{(process / 'environ').read_bytes()!r}{written}" and process.name != str(os.getpid()):
                found.append((process / "cmdline").read_text())
    return found
