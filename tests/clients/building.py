"""What is installed or compiled for the clients, once for a lock file, in the user's cache."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.machine import lacking

# no program is optimized: Go compiles it in two thirds of the time, and its library once for all of them
GO_FLAGS = "-trimpath '-gcflags=all=-N -l' '-ldflags=-s -w'"


@dataclass(frozen=True)
class Build:
    """Files, and the command that makes the rest beside copies of them; `patience` is in seconds."""

    source: Path
    names: tuple[str, ...]
    command: tuple[str, ...]
    patience: int


def build_once(build: Build) -> Path:
    """Return the folder with the files and what was made of them; one process makes it, others wait."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "latchkey-tests"
    digest = hashlib.sha256(b"".join((build.source / name).read_bytes() for name in build.names)).hexdigest()[:16]
    wanted = cache / digest
    if not wanted.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with (cache / f"{digest}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not wanted.is_dir():
                _make(build, wanted)
    return wanted


def _make(build: Build, wanted: Path) -> None:
    program = Path(build.command[0]).name
    with tempfile.TemporaryDirectory(dir=wanted.parent) as scratch:
        making = Path(scratch) / "made"
        making.mkdir()
        for name in build.names:
            (making / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(build.source / name, making / name)
        go = {"CGO_ENABLED": "0", "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} {GO_FLAGS}"}  # it needs no C compiler
        try:
            done = subprocess.run(
                build.command, cwd=making, env=os.environ | go, capture_output=True, text=True, timeout=build.patience
            )
        except subprocess.TimeoutExpired:
            lacking(f"registry that answers {program}")
        if done.returncode:
            lacking(f"packages for the tests that {program} accepts ({done.stderr.strip()[-200:]})")
        making.rename(wanted)
