"""Set the metrics of what fails silently: the checks of /readyz, and signing keys that are due and not rotated."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from app.operations import metrics
from app.operations.health import FAILED, Health

INTERVAL = 15.0  # seconds between two checks: as often as Prometheus usually reads the metrics
log = logging.getLogger(__name__)


class Watch:
    """One thread of a process that serves."""

    def __init__(self, check_health: Callable[[], Health], due_at: Callable[[], datetime | None]) -> None:
        """`due_at` returns when the active signing key is to be rotated; None: by hand."""
        self._check_health = check_health
        self._due_at = due_at
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="watch", daemon=True).start()

    def stop(self) -> None:
        """End the thread, at a clean stop of the process."""
        self._stopping.set()

    def check(self) -> None:
        """Set the metrics; what cannot be read, because the database is down, keeps its value."""
        metrics.set_checks([name for name, outcome in self._check_health().checks.items() if outcome == FAILED])
        with suppress(SQLAlchemyError, OSError):
            metrics.set_signing_key_due(self._due_at())

    def _run(self) -> None:
        while not self._stopping.wait(INTERVAL):
            try:
                self.check()
            except Exception as error:  # the next check may succeed
                log.warning("could not check what the metrics say", exc_info=error)
