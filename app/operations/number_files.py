"""Preallocate the files in which a server's processes share their metrics.

A write to a mapped page that a full disk has no space for kills the process (SIGBUS); prometheus_client maps sparse
files.
"""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import suppress
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

INITIAL_SIZE = 1024 * 1024  # bytes: more than the numbers of all routes take


class PreallocatedMmapDict(MmapedDict):
    """Allocates its file at once; without space on the disk it counts in the memory of this process alone."""

    @classmethod
    def install(cls) -> None:
        """Make prometheus_client use this class; call it before the first metric."""
        patched: Any = values
        patched.MmapedDict = cls

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if read_mode or _allocate(filename, INITIAL_SIZE):
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        else:
            self._start_in_memory(filename)

    def _start_in_memory(self, filename: str) -> None:
        self._f: Any = open(os.devnull, "rb")  # noqa: SIM115 - closed where the file would be
        self._fname, self._capacity, self._used = filename, INITIAL_SIZE, 8
        self._m: Any = mmap.mmap(-1, INITIAL_SIZE)
        struct.pack_into("i", self._m, 0, self._used)
        self._positions: dict[str, int] = {}

    def _init_value(self, key: str) -> None:
        """Allocate before growing, where prometheus_client only grows."""
        needed = self._used + len(key.encode()) + 32  # its length, padding and two doubles
        while needed > self._capacity and not _allocate(self._f.name, 2 * self._capacity):
            self._continue_in_memory()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _continue_in_memory(self) -> None:
        grown = mmap.mmap(-1, 2 * self._capacity)
        grown[: self._used] = self._m[: self._used]
        self._m, self._capacity = grown, 2 * self._capacity


def _allocate(filename: str, size: int) -> bool:
    """Extend a file to that size with bytes on the disk; leave no empty file, which readers reject."""
    with suppress(OSError), open(filename, "ab", buffering=0) as file:
        before = file.tell()
        if file.write(bytes(max(0, size - before))) >= size - before:
            return True
        file.truncate(before)
    with suppress(OSError):
        if not os.path.getsize(filename):
            os.unlink(filename)
    return False
