"""One part in a process of its own, handed its task as JSON; ends cleanly on SIGTERM."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

from tests.fuzzing.notebook import Outcome, Task

PARTS = {  # where each is
    "described": "tests.fuzzing.described",
    "forms": "tests.fuzzing.forms",
    "model": "tests.fuzzing.model",
    "parsers": "tests.fuzzing.guided",
}


def main() -> None:
    """Do the task and write what came of it."""
    task = Task.read(sys.argv[1])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        outcome: Outcome = import_module(PARTS[task.part.partition("/")[0]]).fuzz(task)
    except KeyboardInterrupt:
        sys.exit(1)
    outcome.write(task.outcome)


def _end(*_signal: object) -> None:
    """Let every server be stopped on the way out; a second signal changes nothing."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt  # a SystemExit would be a finding to Hypothesis


if __name__ == "__main__":
    main()
