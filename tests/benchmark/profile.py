"""The packages that hold the interpreter while one row drives a server, sampled by py-spy from outside."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import packages_distributions
from math import ceil
from pathlib import Path

from tests.benchmark import machine
from tests.benchmark.measure import Measuring
from tests.benchmark.subjects import Subject

RATE = 250  # samples a second
ATTEMPTS = 4  # a busy machine may leave a short drive without a single sample
LONGER = 2  # times as long as a row is measured: in few samples the interpreter is held
LEAST = 0.04  # of the samples: a smaller share is left out
MOST = 6  # shares in a profile
IDLE = 15  # seconds that the sampler may take after its samples
DRIVER = re.compile(r"do_(execute|executemany|commit|rollback|begin) \(sqlalchemy/engine/default")
FILE = re.compile(r"\((?:[^()]*site-packages/)?([\w-]+)/")  # a frame reads: function (package/module.py:12)


@dataclass(frozen=True, slots=True)
class Profile:
    """The share of the samples that ended in each package, greatest first; `stacks` are folded, for flame graphs."""

    shares: Sequence[tuple[str, float]]
    stacks: str = field(repr=False)
    why: str = ""  # why it is missing

    def __str__(self) -> str:
        """Format the shares in one line."""
        return ", ".join(f"{package} {share:.0%}" for package, share in self.shares) or f"no profile: {self.why}"


def profile(measuring: Measuring, subject: Subject, row: str) -> Profile:
    """Drive a row once more and sample its server; a profile without shares names the reason."""
    sampler = Path(sys.executable).with_name("py-spy")
    program = str(sampler) if sampler.exists() else shutil.which("py-spy")
    if program is None:
        return Profile((), "", "py-spy is not installed (./scripts/prepare requirements-dev.txt)")
    worker = max(subject.server.processes(), key=lambda pid: machine.cpu_seconds([pid]))
    stacks = said = ""
    for attempt in range(ATTEMPTS):
        longer = replace(measuring, seconds=LONGER ** (1 + attempt) * measuring.seconds)
        stacks, said = _sample(program, worker, longer, subject, row)
        if any(line.rpartition(" ")[0] for line in stacks.splitlines()):  # a sample may have no frames
            break
    return Profile(shares(stacks.splitlines()), stacks, "" if stacks else " ".join(said.split())[-200:])


def _sample(program: str, worker: int, measuring: Measuring, subject: Subject, row: str) -> tuple[str, str]:
    """Return the folded stacks of one drive, and what the sampler wrote; no stacks without a sample."""
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as folder:
        file = Path(folder) / "stacks"
        command = [program, "record", "--pid", str(worker), "--rate", str(RATE), "--format", "raw"]
        command += ["--gil", "--nonblocking"]  # a server that is stopped for each look is seldom seen to hold it
        command += ["--duration", str(ceil(measuring.seconds) + IDLE), "--output", str(file)]
        sampling = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = _read_until_sampling(sampling)
        try:
            measuring.once(subject, subject.plans()[row])
            sampling.send_signal(signal.SIGINT)  # it ends and writes its file
            said += sampling.communicate(timeout=IDLE)[0]
        except subprocess.TimeoutExpired:
            sampling.kill()
            said += sampling.communicate()[0]
        return file.read_text(encoding="utf-8") if file.exists() else "", said


def _read_until_sampling(sampler: subprocess.Popen[str]) -> str:
    """Return what the sampler prints until it samples, or until it ends."""
    said = ""
    for line in sampler.stdout or ():
        said += line
        if "Sampling" in line:
            break
    return said


def shares(stacks: Iterable[str]) -> Sequence[tuple[str, float]]:
    """Return the greatest shares of the samples by package; smaller ones are left out."""
    counts: Counter[str] = Counter()
    for line in stacks:
        frames, _, number = line.rpartition(" ")
        counts[_package(frames.split(";"))] += int(number)
    whole = sum(counts.values())
    found = [(package, count / whole) for package, count in counts.most_common(MOST)]
    return [(package, share) for package, share in found if share >= LEAST]


def _package(frames: Sequence[str]) -> str:
    """Return the package that a stack ends in: the standard library counts as its caller."""
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
