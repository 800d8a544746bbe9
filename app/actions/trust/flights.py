"""Fetches under way in a process: one of a URI at a time, few at once, and few threads that wait for another's."""

from __future__ import annotations

import threading
from collections.abc import Callable

AT_ONCE = 2  # fetches in a process: a host that hangs must leave threads for other requests
WAITERS, WAITING = 4, 1.0  # threads that may wait for another one's fetch, and for how many seconds


class Flights:
    """The URIs that are being fetched. `lock` guards whatever their answers are kept in, too."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.waiting = 0
        self._uris: set[str] = set()

    def is_busy(self, uri: str) -> bool:
        """Return whether this URI is being fetched, or as many others as may be at once."""
        return uri in self._uris or len(self._uris) >= AT_ONCE

    def start(self, uri: str, is_due: Callable[[], bool] = lambda: True) -> bool:
        """Reserve the fetch of a URI; return False when too many run, or it is not due any more."""
        with self.lock:
            starts = not self.is_busy(uri) and is_due()
            if starts:
                self._uris.add(uri)
        return starts

    def land(self, uri: str) -> None:
        """End the fetch of a URI."""
        with self.lock:
            self._uris.discard(uri)
            self.lock.notify_all()

    def wait_for(self, uri: str) -> None:
        """Wait for the thread that fetches this URI, unless too many wait already."""
        with self.lock:
            if uri in self._uris and self.waiting < WAITERS:
                self.waiting += 1
                self.lock.wait_for(lambda: uri not in self._uris, WAITING)
                self.waiting -= 1
