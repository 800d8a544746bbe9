"""prometheus_client's private names (bound to 0.26): the mapped files of a server's processes, a histogram's buckets.

A write to a mapped page for which a full disk has no space ends the process (SIGBUS), and prometheus_client maps files
that have a size but no allocated blocks. So each file is written out before it is mapped.
"""

from __future__ import annotations

import mmap
import os
import struct
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from prometheus_client import Histogram, values
from prometheus_client.mmap_dict import MmapedDict

INITIAL_SIZE = 1024 * 1024  # bytes: more than the numbers of all routes take


def observe_all(histogram: Histogram, observations: Sequence[float]) -> None:
    """Add observations with one write per bucket, where `observe` makes two for each of them."""
    private: Any = histogram
    bounds = private._upper_bounds
    private._sum.inc(sum(observations))
    for bucket, times in Counter(bisect_left(bounds, observed) for observed in observations).items():
        private._buckets[bucket].inc(times)


def preallocate_files() -> None:
    """Allocate each file that this process opens from now on; call it before the first metric is made."""
    module: Any = values
    module.MmapedDict = PreallocatedMmapDict


class PreallocatedMmapDict(MmapedDict):
    """A dict of numbers in a mapped file that is fully allocated; on a full disk it stays in this process's memory."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if read_mode or _allocate(filename, INITIAL_SIZE):
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        else:
            self._start_in_memory(filename)

    def _start_in_memory(self, filename: str) -> None:
        self._f: Any = open(os.devnull, "rb")  # noqa: SIM115 - closed by close(), as the file would be
        self._fname, self._capacity, self._used = filename, INITIAL_SIZE, 8
        self._m: Any = mmap.mmap(-1, INITIAL_SIZE)
        struct.pack_into("i", self._m, 0, self._used)
        self._positions: dict[str, int] = {}

    def _init_value(self, key: str) -> None:
        """Allocate before the file grows, where prometheus_client only truncates it to the new size."""
        needed = self._used + len(key.encode()) + 32  # its length, padding and two doubles
        while needed > self._capacity and not _allocate(self._f.name, 2 * self._capacity):
            self._continue_in_memory()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _continue_in_memory(self) -> None:
        grown = mmap.mmap(-1, 2 * self._capacity)
        grown[: self._used] = self._m[: self._used]
        self._m, self._capacity = grown, 2 * self._capacity


def _allocate(filename: str, size: int) -> bool:
    """Write a file out to this size; on failure, remove a file that is empty, because no reader accepts one."""
    with suppress(OSError), open(filename, "ab", buffering=0) as file:
        before = file.tell()
        if file.write(bytes(max(0, size - before))) >= size - before:
            return True
        file.truncate(before)
    with suppress(OSError):
        if not os.path.getsize(filename):
            os.unlink(filename)
    return False
