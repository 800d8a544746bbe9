"""Processes as the kernel shows them: their children, processor time, memory and cores."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores of the servers, and the cores of the load generator and PostgreSQL; on one core both are the same."""

    servers: tuple[int, ...]
    generator: tuple[int, ...]

    @classmethod
    def shared_out(cls, workers: int) -> Cores:
        """Assign the first cores to the servers, one a worker, and the rest to the generator."""
        ours = sorted(os.sched_getaffinity(0))
        servers = tuple(ours[:workers])
        return cls(servers, tuple(ours[workers:]) or servers)

    @property
    def apart(self) -> bool:
        """Return whether the generator has cores of its own."""
        return not set(self.servers) & set(self.generator)


def pin(command: Sequence[str], cores: Sequence[int]) -> list[str]:
    """Return a command that runs this command on these cores only."""
    return ["taskset", "-c", ",".join(map(str, cores)), *command] if shutil.which("taskset") else list(command)


def family(pid: int) -> list[int]:
    """Return a process and all its descendants."""
    parents = {int(entry.name): _parent(entry) for entry in PROC.glob("[0-9]*")}
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """Return the processor time of these processes and their ended children, in user mode and in the kernel."""
    return sum(_ticks(pid) for pid in pids) / TICK


def resident_mb(pids: Sequence[int]) -> float:
    """Return the resident memory of the largest of these processes, in MB of a million bytes."""
    return max(map(_resident_kib, pids), default=0) * 1024 / 1e6


def describe_machine() -> dict[str, object]:
    """Return the cores, the processor and the Python of this machine."""
    model = next((line.partition(":")[2].strip() for line in _lines(PROC / "cpuinfo") if "model name" in line), "")
    return {"cores": os.cpu_count(), "processor": model, "python": platform.python_version()}


def _parent(entry: Path) -> int:
    fields = _stat(entry)
    return int(fields[1]) if fields else 0


def _ticks(pid: int) -> int:
    fields = _stat(PROC / str(pid))
    return sum(map(int, fields[11:15]))  # includes the children that have ended


def _stat(entry: Path) -> list[str]:
    """Return the fields after the name, which may contain anything: state, parent, …, at 11 utime, stime, …"""
    return "".join(_lines(entry / "stat")).rpartition(")")[2].split()


def _resident_kib(pid: int) -> int:
    return next((int(line.split()[1]) for line in _lines(PROC / str(pid) / "status") if line.startswith("VmRSS")), 0)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:  # the process is gone
        return []
