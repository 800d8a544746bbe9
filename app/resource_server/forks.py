"""What a forked process must not inherit: held locks, open connections, threads that do not run in it."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Renewed(Protocol):
    """Has state that belongs to one process."""

    def renew(self) -> None:
        """Replace that state by new one."""


_objects: WeakSet[Renewed] = WeakSet()


def renew_after_fork(one: Renewed) -> None:
    """Call `one.renew()` in each forked process before anything else runs there."""
    _objects.add(one)


def _renew_all() -> None:
    for one in list(_objects):
        one.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_renew_all)
