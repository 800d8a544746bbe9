"""`latchkey` with a clock that reads the time from a file: `python -m tests.fuzzing.file_clock FILE serve …`."""

from __future__ import annotations

import mmap
import struct
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = struct.Struct("<q")


class FileClock:
    """A clock that shows the time in a file, the same in every process that has it open."""

    def __init__(self, file: Path) -> None:
        """Open the file, or create it."""
        if not file.exists():
            file.write_bytes(bytes(MICROSECONDS.size))
        with file.open("r+b") as opened:
            self._time = mmap.mmap(opened.fileno(), MICROSECONDS.size)

    def __call__(self) -> datetime:
        """Return the time in the file."""
        return EPOCH + timedelta(microseconds=MICROSECONDS.unpack_from(self._time)[0])

    def set(self, now: datetime) -> None:
        """Set the time for all processes."""
        MICROSECONDS.pack_into(self._time, 0, (now - EPOCH) // timedelta(microseconds=1))


def main() -> None:
    """Run `latchkey` with this clock in the application of the worker processes."""
    from app import cli, create_app
    from app.cli import worker

    clock = FileClock(Path(sys.argv.pop(1)))
    vars(worker)["create_app"] = partial(create_app, clock=clock)  # the workers are forked from here
    cli.main()


if __name__ == "__main__":
    main()
