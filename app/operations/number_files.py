"""The files in which a server's processes share their numbers, with their room taken before it is written to.

A write to a mapped page for which a full disk has no room ends the process (SIGBUS); prometheus_client maps files that
have a size and no room.
"""

from __future__ import annotations

import mmap
import os
import struct
from contextlib import suppress
from typing import Any

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

ROOM = 1024 * 1024  # bytes: more than all routes' numbers take


def take_room_first() -> None:
    """Let every file that this process makes from now on have its room; for before the first metric."""
    values_of: Any = values
    values_of.MmapedDict = Roomy


class Roomy(MmapedDict):
    """Takes the room of its file at once; what finds none is counted in this process' memory alone."""

    def __init__(self, filename: str, read_mode: bool = False) -> None:
        if read_mode or _took_room(filename, ROOM):
            super().__init__(filename, read_mode)  # type: ignore[no-untyped-call]
        else:
            self._begin_in_memory(filename)

    def _begin_in_memory(self, filename: str) -> None:
        self._f: Any = open(os.devnull, "rb")  # noqa: SIM115 - kept until it is closed as the file would be
        self._fname, self._capacity, self._used = filename, ROOM, 8
        self._m: Any = mmap.mmap(-1, ROOM)
        struct.pack_into("i", self._m, 0, self._used)
        self._positions: dict[str, int] = {}

    def _init_value(self, key: str) -> None:
        """Grow with room, where prometheus_client only grows."""
        needed = self._used + len(key.encode()) + 32  # its length, padding and two doubles
        while needed > self._capacity and not _took_room(self._f.name, 2 * self._capacity):
            self._go_on_in_memory()
        super()._init_value(key)  # type: ignore[no-untyped-call]

    def _go_on_in_memory(self) -> None:
        grown = mmap.mmap(-1, 2 * self._capacity)
        grown[: self._used] = self._m[: self._used]
        self._m, self._capacity = grown, 2 * self._capacity


def _took_room(filename: str, size: int) -> bool:
    """Give a file that size, with room for each byte; leaves no empty file behind, which nobody could read."""
    with suppress(OSError), open(filename, "ab", buffering=0) as file:
        before = file.tell()
        if file.write(bytes(max(0, size - before))) >= size - before:
            return True
        file.truncate(before)
    with suppress(OSError):
        if not os.path.getsize(filename):
            os.unlink(filename)
    return False
