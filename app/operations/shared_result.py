"""One costly result for all callers: however often strangers ask, it is made only so often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedResult(Generic[T]):
    """Makes a result once a second, and up to `most` times at once after as many seconds, one caller at a time.

    Whoever asks beyond that, or while another caller makes it, gets the last one: it is about a second old at the most.
    """

    def __init__(self, make: Callable[[], T], most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._most = most
        self._monotonic = monotonic
        self._making = threading.Lock()
        self._left, self._counted_at = float(most), monotonic()  # of a bucket that a second fills by one
        self._last: list[T] = []  # nothing, or the one that was made last

    def __call__(self) -> T:
        """Return a new result or the last one; only the very first is waited for."""
        if not self._making.acquire(blocking=not self._last):
            return self._last[0]
        try:
            if self._take_one() or not self._last:
                self._last = [self._make()]
            return self._last[0]
        finally:
            self._making.release()

    def _take_one(self) -> bool:
        now = self._monotonic()
        self._left = min(self._most, self._left + now - self._counted_at)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
