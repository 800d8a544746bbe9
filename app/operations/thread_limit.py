"""How many threads a server process may have: granian ends the process when the system refuses it one."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

from app.operations.admission import MOST_WAITING

SPARE = 64  # threads beside those that wait for bodies: they bring requests to those that work
OTHERS = 64  # threads and processes besides: of the supervisor, of the HTTP server, of our own
FEWEST = 16
CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def most_waiting(processes: int) -> int:
    """Return how many threads of each server process may wait for bodies."""
    share = _most_threads() // processes - SPARE - OTHERS
    return max(FEWEST, min(MOST_WAITING, share))


def _most_threads() -> int:
    """Return the lowest limit that the system sets: of the user (RLIMIT_NPROC), and of the control groups."""
    limits = [_control_group_limit()]
    user_limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if user_limit != resource.RLIM_INFINITY:
        limits.append(user_limit // 2)  # the user has other processes
    return min(limits)


def _control_group_limit() -> int:
    """Return the lowest `pids.max` of our control group and of those above it (cgroups v2 and v1)."""
    lowest = sys.maxsize
    with suppress(OSError, ValueError):
        for line in MEMBERSHIP.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "pids"):
                lowest = min(lowest, *_limits_above(CGROUPS / controllers, path.lstrip("/")))
    return lowest


def _limits_above(root: Path, path: str) -> list[int]:
    group, limits = root / path, [sys.maxsize]
    while group.is_relative_to(root):
        with suppress(OSError, ValueError):  # "max" is no number; a container does not see the groups above its own
            limits.append(int((group / "pids.max").read_text(encoding="ascii")))
        group = group.parent
    return limits
