"""A full disk behind stdout is reported in one line, and the command fails, whatever it prints."""

import subprocess
from pathlib import Path

import pytest

from app.crypto.opaque import Prefix, mint
from tests.cli.forked import Run, run_forked
from tests.live import COMMAND, environment
from tests.machine import lacking

FULL = Path("/dev/full")
COMMANDS = [
    ["--help"],
    ["user", "list"],
    ["user", "list", "--json"],
    ["audit", "export"],
    ["doctor"],
    ["scan", "LEAKED"],
]
REPORTED = b"latchkey: [Errno 28] No space left on device\n"


@pytest.fixture(autouse=True)
def _machine_has_a_full_disk() -> None:
    if not FULL.is_char_device():
        lacking("/dev/full")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_full_disk_is_reported_in_one_line(set_up: Path, tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "LEAKED").write_text(mint(Prefix.PAT), encoding="utf-8")
    runs: dict[str, Run] = {"one": (command, "utf-8", [], {"1": str(FULL)})}
    ((code, _, err),) = run_forked(runs, environment(set_up), tmp_path).values()
    assert code == 2, "1 is the answer of some: found, broken"
    assert err == REPORTED


def test_a_real_process_reports_a_full_disk_too(set_up: Path) -> None:
    """Check that the interpreter, which flushes at its end, adds nothing; the tests above are forked."""
    with FULL.open("w") as full:
        command = [str(COMMAND), "user", "list"]
        env = environment(set_up)
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=env, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (2, REPORTED)
