"""Detect that an SQLite file was deleted or replaced: SQLite would keep writing to the deleted file."""

from __future__ import annotations

import os
import sqlite3
import time

from sqlalchemy import Engine, event

CHECK_INTERVAL = 1.0  # seconds between two looks at the file


def watch_file(*engines: Engine) -> FileWatch | None:
    """Watch the SQLite file of these engines; return None for a server, whose connections report such a change."""
    path = engines[0].url.database
    return FileWatch(path, engines) if engines[0].dialect.name == "sqlite" and path else None


class FileWatch:
    """The identity of the file that the engines opened, compared once per second."""

    def __init__(self, path: str, engines: tuple[Engine, ...]) -> None:
        """Take the path and the engines that open it; while the file is missing, no engine may create an empty one."""
        self._path = path
        self._opened: tuple[int, int] | None = None
        self._due = 0.0
        for engine in engines:
            event.listen(engine, "do_connect", self._refuse_to_create)
            event.listen(engine, "connect", self._remember)

    def is_replaced(self) -> bool:
        """Return whether the file is missing or another one, once per replacement: the new file then counts as opened.

        The file is looked at once per second, and at each call while it is missing.
        """
        now = time.monotonic()
        if now < self._due:
            return False
        found, opened = self._identity(), self._opened
        if opened is None or found == opened:
            self._due = now + CHECK_INTERVAL
            return False
        self._opened = found or opened
        return True

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _remember(self, *_: object) -> None:
        self._opened = self._opened or self._identity()  # is_replaced() reports any other one

    def _refuse_to_create(self, *_: object) -> None:
        if self._opened is not None and self._identity() is None:
            raise sqlite3.OperationalError("the database file is gone")
