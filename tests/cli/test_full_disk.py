"""A full disk behind stdout is reported in one line, and the command fails, whatever it prints."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.crypto.opaque import Prefix, mint
from tests.machine import lacking

FULL = Path("/dev/full")


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str | None]:
    ours: dict[str, str | None] = {"LATCHKEY_DATABASE_URL": None, "LATCHKEY_SECRET_KEY": None}
    ours["LATCHKEY_INSTANCE_DIR"] = str(tmp_path_factory.mktemp("full") / "instance")
    assert CliRunner().invoke(main, ["init"], env=ours).exit_code == 0
    return ours


@pytest.mark.parametrize(
    "command",
    [["--help"], ["user", "list"], ["user", "list", "--json"], ["audit", "export"], ["doctor"], ["scan", "LEAKED"]],
    ids=" ".join,
)
def test_a_full_disk_is_reported_in_one_line(
    instance: dict[str, str | None], tmp_path: Path, command: list[str]
) -> None:
    if not FULL.is_char_device():
        lacking("/dev/full")
    (tmp_path / "LEAKED").write_text(mint(Prefix.PAT), encoding="utf-8")
    run = [sys.executable, "-c", "from app.cli import main; main()", *command]
    with pytest.MonkeyPatch.context() as patched, FULL.open("w") as full:
        for name, value in instance.items():
            patched.delenv(name, raising=False) if value is None else patched.setenv(name, value)
        done = subprocess.run(run, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2, "1 is the answer of some: found, broken"
    assert done.stderr == "latchkey: [Errno 28] No space left on device\n"
