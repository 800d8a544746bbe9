"""Requests of strangers for a link to set a password: done after the answer, so that its time says nothing."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore

from app.actions.directory.one_time_links import OneTimeLinks
from app.errors import Busy

MOST_WAITING = 100  # requests of one process
PATIENCE = 10.0  # seconds
RETRY_AFTER = 5  # seconds
log = logging.getLogger(__name__)


class ResetRequests:
    """One thread per process that works through them; it starts with the first."""

    def __init__(self, links: OneTimeLinks) -> None:
        self._links = links
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="resets")
        self._places = BoundedSemaphore(MOST_WAITING)

    def submit(self, name: str, address: str | None, request_id: str | None) -> None:
        """Accept a request for the user of this username or address, known or not.

        Raises TooManyRequests for an address that makes too many, and Busy while too many wait.
        """
        self._links.refuse_requests_beyond(address)
        if not self._places.acquire(blocking=False):
            raise Busy("too many such requests at once: try again", RETRY_AFTER)
        self._pool.submit(self._run, name, address, request_id)

    def wait(self) -> None:
        """Wait until the requests so far are done; raise TimeoutError after PATIENCE."""
        self._pool.submit(int).result(PATIENCE)

    def _run(self, name: str, address: str | None, request_id: str | None) -> None:
        try:
            self._links.request_reset(name, address, request_id)
        except Exception as error:
            log.warning("a request for a link failed", exc_info=error)
        finally:
            self._places.release()
