"""One costly result for all callers: however often strangers ask, it is made only so often."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedResult(Generic[T]):
    """Makes a result at most `most` times in as many seconds, one caller at a time.

    Whoever asks beyond that, or while another caller makes it, gets the last one.
    """

    def __init__(self, make: Callable[[], T], most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._make = make
        self._most = most
        self._monotonic = monotonic
        self._making = threading.Lock()
        self._begun: deque[float] = deque(maxlen=most)
        self._last: list[T] = []  # nothing, or the one that was made last

    def __call__(self) -> T:
        """Return a new result or the last one; only the very first is waited for."""
        if not self._making.acquire(blocking=not self._last):
            return self._last[0]
        try:
            if not self._last or self._is_due():
                self._begun.append(self._monotonic())
                self._last = [self._make()]
            return self._last[0]
        finally:
            self._making.release()

    def _is_due(self) -> bool:
        return len(self._begun) < self._most or self._monotonic() - self._begun[0] >= self._most
