"""`latchkey` that does all that is due at once: `python -m tests.hurried CLOCK serve …`.

Its jobs, its messages and its counts of use wait for a moment where others wait for an hour or some seconds. CLOCK is
the file that has the time, or REAL.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from tests import fork_server
from tests.fuzzing.file_clock import FileClock
from tests.live import LiveServer, Process, environment

REAL = "real"
PAUSE = 0.1  # seconds


class HurriedServer(LiveServer):
    """A live server whose jobs run all the time, with the clock in a file if there is one."""

    clock: Path | None = None

    def _spawn(self, command: list[str]) -> Process:
        arguments, chosen = [str(self.clock or REAL), *command[1:]], environment(self.instance, self.settings)
        return fork_server.start(arguments, chosen, self.stdout_file, self.stderr_file, "tests.hurried")


def main() -> None:
    """Run `latchkey` with short pauses in the worker processes."""
    from app import cli, create_app
    from app.actions.notices import mail_delivery, webhook_delivery
    from app.actions.tokens import usage
    from app.cli import worker
    from app.maintenance import retention

    clock = sys.argv.pop(1)
    vars(retention)["HOUR"] = vars(mail_delivery)["INTERVAL"] = PAUSE  # the workers are forked from here
    for one in (webhook_delivery.WebhookDelivery, usage.Usage):
        vars(one)["__init__"].__defaults__ = (PAUSE,)
    if clock != REAL:
        vars(worker)["create_app"] = partial(create_app, clock=FileClock(Path(clock)))
    cli.main()
