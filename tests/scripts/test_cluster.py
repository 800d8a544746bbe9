"""Several nodes in one command: the demo passes, and nothing is left whenever it ends."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests import fork_server
from tests.architecture.checkout import ROOT
from tests.cluster import program
from tests.contract.waiting import until
from tests.machine import lacking, require_program
from tests.scripts.test_demo import still_running

PATIENCE = 180  # seconds for the demo
PROGRAM = [sys.executable, str(ROOT / "scripts" / "cluster")]
SECRET = re.compile(r"lk_(?:pat|key|sec)_\w+|eyJ[\w-]{20,}")


@pytest.fixture(autouse=True)
def needed() -> None:
    for name in ("haproxy", "redis-server", "setpriv"):
        require_program(name)
    if program("initdb") is None:
        lacking("PostgreSQL")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place for what it keeps: short, as the path of a socket must be, and one that PostgreSQL's user may enter."""
    with tempfile.TemporaryDirectory(prefix="lk-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"TMPDIR": str(folder), "LATCHKEY_PORT": "1"} | fork_server.shared()


def assert_nothing_is_left(folder: Path) -> None:
    until(lambda: not still_running(str(folder)))  # what a signal ended is gone a moment later
    assert not list(folder.iterdir())


@contextlib.contextmanager
def started(folder: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*PROGRAM, *options], env=environment(folder), stdout=pipe, stderr=pipe, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", wanted: str) -> str:
    """Read the output up to a line that contains `wanted`; return that line."""
    assert process.stdout is not None
    line = next((line for line in process.stdout if wanted in line), None)
    assert line is not None, process.stderr.read() if process.stderr else ""
    return line


@pytest.mark.contract("nodes on one PostgreSQL and Redis give the same answers, one killed or not")
def test_two_nodes_pass_the_demo_and_leave_nothing_behind(folder: Path) -> None:
    command = [*PROGRAM, "--once", "--nodes", "2"]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "0 contradictions" in done.stdout and "!!!" not in done.stdout
    for said in (
        r"revisions in the database: 1, administrators: 1$",
        r"node2  200  active False  after \d+\.\d ms$",
        r"once more, through the balancer: 429$",
        r"200 requests, 0 failed$",
        r"HAProxy dropped node2 \d+ ms after its death$",
        r"asked again elsewhere: 200, 200$",
        r"its caller gets an error: 200, (502|connection closed)$",
        r'node1  /readyz 503 .*"redis": "failed"',
        r'node2  /readyz 200 .*"migrations": "ok"',
        r"the database is newer than this Latchkey",
    ):
        assert re.search(said, done.stdout, re.M), said
    assert not SECRET.search(done.stdout)
    assert_nothing_is_left(folder)


@pytest.mark.contract("nodes on one PostgreSQL and Redis give the same answers, one killed or not")
@pytest.mark.parametrize("moment", ["Starting", "killed while requests hang"])
def test_an_interrupted_run_leaves_nothing_behind(folder: Path, moment: str) -> None:
    with started(folder, "--nodes", "2", "--only", "kill-a-node-with-requests") as process:
        read_until(process, moment)
        process.send_signal(signal.SIGTERM)
        _, complained = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0 and complained == ""
    assert_nothing_is_left(folder)


def test_without_once_it_serves_on_until_ctrl_c(folder: Path) -> None:
    with started(folder, "--nodes", "2", "--only", "who-serves") as process:
        url = re.search(r"http://\S+", read_until(process, "go on serving at"))
        read_until(process, "kill one")
        assert url and httpx.get(f"{url[0]}/readyz", trust_env=False).json()["status"] == "ok"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert_nothing_is_left(folder)


def test_a_missing_program_is_one_line_with_its_package(folder: Path) -> None:
    bare = folder / "bin"
    bare.mkdir()
    for name in ("python3", "bash", "setpriv"):
        (bare / name).symlink_to(str(shutil.which(name)))
    command = [str(ROOT / ".venv" / "bin" / "python"), *PROGRAM[1:], "--once"]
    done = subprocess.run(command, env={"PATH": str(bare)}, capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "" and done.stderr.count("\n") == 1
    assert done.returncode == os.EX_UNAVAILABLE and "redis-server: apt install redis-server" in done.stderr
