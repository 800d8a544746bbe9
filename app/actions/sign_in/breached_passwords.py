"""Is a password in a file of breached ones? The file is sorted and too large for memory: it is searched by halves."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LINE = 96  # bytes that no line of such a file has
NEAR = 4_096  # bytes that are read at once, once the place is narrowed down to them
DIGEST = 40  # hexadecimal digits


class BreachedPasswords:
    """The lines `SHA-1 in hexadecimal[:how often]`, sorted, as the download of Have I Been Pwned has them."""

    def __init__(self, path: Path | None) -> None:
        """Keep the file open: what is put in its place counts from the next start. Raises OSError."""
        self._file = None if path is None else os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._size = 0 if self._file is None else os.fstat(self._file).st_size

    def __contains__(self, password: str) -> bool:
        """Tell whether the file names it."""
        if self._file is None:
            return False
        name = hashlib.sha1(password.encode("utf-8", "surrogatepass"), usedforsecurity=False)  # how its lines are named
        return self._holds(self._file, name.hexdigest().upper().encode())

    def _holds(self, file: int, wanted: bytes) -> bool:
        low, high = 0, self._size
        while high - low > NEAR:
            middle = (low + high) // 2
            _, _, whole = os.pread(file, 2 * LINE, middle).partition(b"\n")  # it begins within some line
            if whole[:DIGEST].upper() <= wanted:
                low = middle
            else:
                high = middle
        found = os.pread(file, high - low + 2 * LINE, low)
        return any(line[:DIGEST].upper() == wanted for line in found.splitlines())
