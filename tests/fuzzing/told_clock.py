"""`latchkey` as it is, but with the time that a file tells: `python -m tests.fuzzing.told_clock FILE serve …`."""

from __future__ import annotations

import mmap
import struct
import sys
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECONDS = struct.Struct("<q")


class ToldClock:
    """Stands still at what the file says, in every process that has it open."""

    def __init__(self, file: Path) -> None:
        """Open the file, made when missing."""
        if not file.exists():
            file.write_bytes(bytes(MICROSECONDS.size))
        with file.open("r+b") as opened:
            self._told = mmap.mmap(opened.fileno(), MICROSECONDS.size)

    def __call__(self) -> datetime:
        """Give the instant."""
        return EPOCH + timedelta(microseconds=MICROSECONDS.unpack_from(self._told)[0])

    def tell(self, now: datetime) -> None:
        """Let it be this instant, for everybody."""
        MICROSECONDS.pack_into(self._told, 0, (now - EPOCH) // timedelta(microseconds=1))


def main() -> None:
    """Hand the clock to the application that the worker processes make, and serve."""
    from app import cli, create_app
    from app.cli import worker

    clock = ToldClock(Path(sys.argv.pop(1)))
    vars(worker)["create_app"] = partial(create_app, clock=clock)  # the workers are forked from here
    cli.main()


if __name__ == "__main__":
    main()
