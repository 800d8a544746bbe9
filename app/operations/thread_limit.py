"""The number of threads of a server process: granian ends the process when the system refuses it one."""

from __future__ import annotations

import resource
import sys
from contextlib import suppress
from pathlib import Path

from app.errors import BadSettings
from app.operations.admission import MOST_WAITING

SPARE = 64  # threads of a server besides the ones that wait for bodies: they bring requests to the workers
OWN = 32  # threads of a process besides the ones that bring requests
SUPERVISOR = 8  # processes and threads that serve no request
FEWEST_BRINGING = 8  # threads that bring requests, for each process
CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def most_waiting(processes: int) -> int:
    """Return how many threads of each server process may wait for bodies; raise BadSettings like `most_bringing`."""
    bringing = most_bringing(processes)
    return bringing - min(SPARE, bringing // 2)


def most_bringing(processes: int) -> int:
    """Return how many threads of each server process may bring requests.

    Raises BadSettings when the system's limit leaves too few for so many processes.
    """
    limit = _most_threads()
    share = (limit - SUPERVISOR) // processes - OWN
    if share < FEWEST_BRINGING:
        fitting = max(0, (limit - SUPERVISOR) // (OWN + FEWEST_BRINGING))
        raise BadSettings(f"setting WORKERS: the limit of {limit} processes and threads has room for {fitting} workers")
    return min(MOST_WAITING + SPARE, share)


def _most_threads() -> int:
    """Return the lower of the limits of the user (RLIMIT_NPROC) and of the control groups."""
    limits = [_control_group_limit()]
    user_limit = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if user_limit != resource.RLIM_INFINITY:
        limits.append(user_limit // 2)  # the user has other processes
    return min(limits)


def _control_group_limit() -> int:
    """Return the lowest `pids.max` of our control group and its ancestors (cgroups v2 and v1)."""
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
        with suppress(OSError, ValueError):  # "max" means no limit; a container does not see the groups above its own
            limits.append(int((group / "pids.max").read_text(encoding="ascii")))
        group = group.parent
    return limits
