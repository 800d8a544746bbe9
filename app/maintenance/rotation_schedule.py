"""Rotate the signing keys when they are due, in a thread that no request waits for."""

from __future__ import annotations

import logging
import threading

from app.actions.directory.signing_keys import RotateSigningKey

MIN_INTERVAL, MAX_INTERVAL = 0.2, 60.0  # seconds between two checks
log = logging.getLogger(__name__)


class RotationSchedule:
    """One thread per server process; the database decides which of them rotates."""

    def __init__(self, rotate: RotateSigningKey, every: int) -> None:
        """Take the setting SIGNING_KEY_ROTATION in seconds as `every`; with 0, no thread is started."""
        self._rotate = rotate
        self._every = every
        self._stopping = threading.Event()

    def start(self) -> None:
        """Start the thread; call it once per process."""
        if self._every:
            threading.Thread(target=self._run, name="rotation", daemon=True).start()

    def stop(self) -> None:
        """End the thread, at a clean stop of the process."""
        self._stopping.set()

    def rotate_if_due(self) -> None:
        """Rotate when it is due; after a failure the current key stays active, and the next check tries again."""
        try:
            self._rotate.when_due()
        except Exception as error:
            log.warning("the signing keys are due and could not be rotated", exc_info=error)

    def _run(self) -> None:
        while not self._stopping.wait(min(max(self._every / 20, MIN_INTERVAL), MAX_INTERVAL)):
            self.rotate_if_due()
