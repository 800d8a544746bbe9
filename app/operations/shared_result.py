"""One costly result for all callers, computed at a bounded rate however often it is requested."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedResult(Generic[T]):
    """Computes a result at most once a second, with bursts of `most` after as many idle seconds.

    Further callers, and those during a computation, get the last result: it is about a second old at the most.
    """

    def __init__(self, make: Callable[[], T], most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._most = most
        self._monotonic = monotonic
        self._computing = threading.Lock()
        self._left, self._counted_at = float(most), monotonic()  # tokens of a bucket: one more each second
        self._last: list[T] = []  # empty, or the last result

    def __call__(self) -> T:
        """Return a new result or the last one; wait only for the very first."""
        if not self._computing.acquire(blocking=not self._last):
            return self._last[0]
        try:
            if self._take_token() or not self._last:
                self._last = [self._make()]
            return self._last[0]
        finally:
            self._computing.release()

    def _take_token(self) -> bool:
        now = self._monotonic()
        self._left = min(self._most, self._left + now - self._counted_at)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
