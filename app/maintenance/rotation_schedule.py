"""Rotate the signing keys when they are due, beside the requests: none waits for it, and its failure fails none."""

from __future__ import annotations

import logging
import threading

from app.actions.directory.signing_keys import RotateSigningKey

SHORTEST, LONGEST = 0.2, 60.0  # seconds between two looks
log = logging.getLogger(__name__)


class RotationSchedule:
    """A thread a server process; which of them rotates, the database decides."""

    def __init__(self, rotate: RotateSigningKey, every: int) -> None:
        """`every` is the setting SIGNING_KEY_ROTATION, in seconds; with 0 nothing is ever started."""
        self._rotate = rotate
        self._every = every
        self._stopping = threading.Event()

    def start(self) -> None:
        """Look from now on; once a process."""
        if self._every:
            threading.Thread(target=self._look_on, name="rotation", daemon=True).start()

    def stop(self) -> None:
        """Look no more; for a clean stop of the process."""
        self._stopping.set()

    def look(self) -> None:
        """Rotate when it is due; what cannot be done now is tried at the next look, the present key signing on."""
        try:
            self._rotate.when_due()
        except Exception as error:
            log.warning("the signing keys are due and could not be rotated", exc_info=error)

    def _look_on(self) -> None:
        while not self._stopping.wait(min(max(self._every / 20, SHORTEST), LONGEST)):
            self.look()
