"""An organisation that the tests of a file share, unless a test creates its own (`create_world`); npm packages."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.api import Admin
from tests.contract.world import World, create_world
from tests.machine import lacking, require_program

HERE = Path(__file__).parent
NODE_FILES = (
    "package.json",
    "package-lock.json",
    "oauth4webapi_client.mjs",
    "openid_client.mjs",
    "dpop_client.mjs",
    "asked.mjs",
)
PATIENCE = 60  # seconds


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    """An organisation on the shared server; take it as it is."""
    return create_world(admin)


@pytest.fixture(scope="session")
def folder() -> Path:
    """The scripts beside the locked packages, in the user's cache: installed once for a lock file."""
    require_program("node")
    npm = require_program("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latchkey-tests"
    wanted = cache / hashlib.sha256(b"".join((HERE / name).read_bytes() for name in NODE_FILES)).hexdigest()[:16]
    if not wanted.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        _install(npm, wanted)
    return wanted


def _install(npm: str, wanted: Path) -> None:
    with tempfile.TemporaryDirectory(dir=wanted.parent) as scratch:
        making = Path(scratch) / "made"
        making.mkdir()
        for name in NODE_FILES:
            shutil.copy(HERE / name, making)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        try:
            done = subprocess.run(command, cwd=making, capture_output=True, text=True, timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            lacking("registry that answers npm")
        if done.returncode:
            lacking(f"npm packages for the tests ({done.stderr.strip()[-200:]})")
        if not wanted.is_dir():
            making.rename(wanted)
