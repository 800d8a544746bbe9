"""Look a password up in a file of breached ones: sorted and too large for memory, so by binary search."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

MAX_LINE = 96  # bytes: every line of such a file is shorter
BLOCK = 4_096  # bytes: a range of this size is read at once
DIGEST = 40  # hexadecimal digits


class BreachedPasswords:
    """A file of sorted lines `SHA-1 in hexadecimal[:count]`, as Have I Been Pwned publishes it."""

    def __init__(self, path: Path | None) -> None:
        """Open the file until the process ends: a replaced file takes effect at the next start. Raise OSError."""
        self._file = None if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = 0 if self._file is None else os.fstat(self._file).st_size

    def __contains__(self, password: str) -> bool:
        """Return whether the file contains its digest."""
        if self._file is None:
            return False
        sha1 = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False)  # as in the file
        return self._contains_digest(self._file, sha1.hexdigest().upper().encode())

    def _contains_digest(self, file: int, wanted: bytes) -> bool:
        low, high = 0, self._size
        while high - low > BLOCK:
            middle = (low + high) // 2
            _, _, line = os.pread(file, 2 * MAX_LINE, middle).partition(b"\n")  # `middle` is inside some line
            if line[:DIGEST].upper() <= wanted:
                low = middle
            else:
                high = middle
        found = os.pread(file, high - low + 2 * MAX_LINE, low)
        return any(line[:DIGEST].upper() == wanted for line in found.splitlines())
