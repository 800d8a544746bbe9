"""Run one part as a process; the first argument is its task as JSON. Ends cleanly on SIGTERM."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

from tests.fuzzing.notebook import Outcome, Task

PARTS = {  # the module of each part
    "described": "tests.fuzzing.described",
    "forms": "tests.fuzzing.forms",
    "model": "tests.fuzzing.model",
    "parsers": "tests.fuzzing.guided",
}


def main() -> None:
    """Run the task and write its outcome."""
    task = Task.read(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        outcome: Outcome = import_module(PARTS[task.part.partition("/")[0]]).fuzz(task)
    except KeyboardInterrupt:
        sys.exit(1)
    outcome.write(task.outcome)


def _end(*_signal: object) -> None:
    """Raise KeyboardInterrupt, so that the servers are stopped; ignore further signals."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt  # Hypothesis would report a SystemExit as a failure


if __name__ == "__main__":
    main()
