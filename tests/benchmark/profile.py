"""Where a server's time goes while one row drives it, as py-spy sees it from outside: who holds the interpreter."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.benchmark import machine
from tests.benchmark.measure import Measuring
from tests.benchmark.subjects import Subject

RATE = 250  # samples a second
LONGER = 2  # times as long as a row is measured: few samples find the interpreter held
LEAST = 0.04  # of the time; what has less is not told
TOLD = 6  # rooms
IDLE = 15  # seconds that the sampler may take beyond its own
DRIVER = re.compile(r"do_(execute|executemany|commit|rollback|begin) \(sqlalchemy/engine/default")
FILE = re.compile(r"\((?:[^()]*site-packages/)?([\w-]+)/")  # a frame reads: function (package/module.py:12)


@dataclass(frozen=True, slots=True)
class Profile:
    """The share of its samples that ended in each room, greatest first; `stacks` are folded, as flame graphs want."""

    shares: Sequence[tuple[str, float]]
    stacks: str = field(repr=False)
    why: str = ""  # there is none

    def __str__(self) -> str:
        """Tell it in a line."""
        return ", ".join(f"{room} {share:.0%}" for room, share in self.shares) or f"no profile: {self.why}"


def profile(measuring: Measuring, subject: Subject, row: str) -> Profile:
    """Drive a row once more and watch its server; a profile without shares says why."""
    sampler = Path(sys.executable).with_name("py-spy")
    program = str(sampler) if sampler.exists() else shutil.which("py-spy")
    if program is None:
        return Profile((), "", "py-spy is not installed (./scripts/prepare requirements-dev.txt)")
    longer = replace(measuring, seconds=LONGER * measuring.seconds)
    worker = max(subject.server.processes(), key=lambda pid: machine.cpu_seconds([pid]))
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
        file = Path(folder) / "stacks"
        command = [program, "record", "--pid", str(worker), "--rate", str(RATE), "--format", "raw", "--gil"]
        command += ["--duration", str(longer.seconds - 1), "--output", str(file)]
        sampling = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            longer.once(subject, subject.plans()[row])
            _, said = sampling.communicate(timeout=longer.seconds + IDLE)
        except subprocess.TimeoutExpired:
            sampling.kill()
            _, said = sampling.communicate()
        stacks = file.read_text(encoding="utf-8") if file.exists() else ""
    return Profile(shares(stacks.splitlines()), stacks, "" if stacks else " ".join(said.split())[-200:])


def shares(stacks: Iterable[str]) -> Sequence[tuple[str, float]]:
    """Give each room's share of the samples, greatest first, as far as it is worth telling."""
    counts: Counter[str] = Counter()
    for line in stacks:
        frames, _, number = line.rpartition(" ")
        counts[_room(frames.split(";"))] += int(number)
    whole = sum(counts.values())
    found = [(room, count / whole) for room, count in counts.most_common(TOLD)]
    return [(room, share) for room, share in found if share >= LEAST]


def _room(frames: Sequence[str]) -> str:
    """Name whose code a stack ends in: the standard library's time is its caller's, the driver's is the database's."""
    for frame in reversed(frames):
        if DRIVER.search(frame):
            return "the database"
        found = FILE.search(frame)
        if found and (found[1] == "app" or found[1] in _packages()):
            return "Latchkey" if found[1] == "app" else found[1]
    return "Python"


@cache
def _packages() -> frozenset[str]:
    return frozenset(packages_distributions())
