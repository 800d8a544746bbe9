"""Limit concurrent costly work: a few threads run, a few wait for a short time, the rest are refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from app.errors import Busy

RETRY_AFTER = 1  # seconds


class ConcurrencyLimit:
    """Admits `at_once` threads of this process, while `waiting` others wait for `patience` seconds."""

    def __init__(self, at_once: int, waiting: int, patience: float) -> None:
        self._running = threading.BoundedSemaphore(at_once)
        self._waiting = threading.BoundedSemaphore(waiting)
        self._patience = patience

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Run the body of the `with`; raise Busy when too many run and wait, or the wait is too long."""
        if not self._running.acquire(blocking=False):
            self._wait()
        try:
            yield
        finally:
            self._running.release()

    def _wait(self) -> None:
        if not self._waiting.acquire(blocking=False):
            raise Busy("too many such requests at once: try again", RETRY_AFTER)
        try:
            admitted = self._running.acquire(timeout=self._patience)
        finally:
            self._waiting.release()
        if not admitted:
            raise Busy("too many such requests at once: try again", RETRY_AFTER)
