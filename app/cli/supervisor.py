"""Run the server processes under granian, and make sure that all of them end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from importlib import import_module
from queue import SimpleQueue
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from app.compat.granian import terminate_workers
from app.operations.connections import most_connections
from app.operations.thread_limit import most_bringing
from app.settings.settings import Settings

KILL_TIMEOUT = 5  # seconds that a worker may take to end
PRELOADED = ("app.oauth", "app.management")  # imported before the fork, so that the workers share the memory
LOGGING = {
    "formatters": {"json": {"()": "app.operations.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["stderr"], "propagate": False}},
}


def supervise(settings: Settings) -> int:
    """Serve until SIGINT or SIGTERM, replacing workers that die; return the exit code."""
    if sys.platform == "linux":
        # Python 3.14 would fork from a server that has not read the settings
        multiprocessing.set_start_method("fork", force=True)
    for package in PRELOADED:
        import_module(package)
    server: Any = Granian(
        "app.cli.worker:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=settings.workers,
        blocking_threads=most_bringing(settings.workers),  # started on demand; `Dispatch` lets few of them work
        blocking_threads_idle_timeout=5,
        backpressure=most_connections(),
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(header_read_timeout=settings.keep_alive * 1000),
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=KILL_TIMEOUT,
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
    )
    ending = Ending(server)
    server.on_startup(ending.listen)
    os.register_at_fork(after_in_child=_obey_signals)
    try:
        server.serve(target_loader=_load_application, wrap_loader=False)
    except SystemExit as end:  # granian exits with 1 when a worker got the signal before its parent
        return 0 if ending.requested else int(end.code or 1)
    return 0


def _load_application() -> Any:
    """Return a worker's application, where granian would look for it in the current folder first."""
    from app.cli.worker import application  # only in the worker: its imports replace signal handlers

    return application()


class Ending:
    """Signal the workers until they have ended. A worker that is starting can miss granian's only signal,
    and granian can miss the one it gets while it replaces a worker."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._signals: SimpleQueue[None] = SimpleQueue()  # a handler may interrupt its `put`
        self.requested = False

    def listen(self) -> None:
        """Replace granian's signal handlers; call it after granian has set them."""
        threading.Thread(target=self._insist, daemon=True).start()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # granian would respawn its workers
        signal.signal(signal.SIGINT, self._request_end)
        signal.signal(signal.SIGTERM, self._request_end)

    def _request_end(self, *_signal: object) -> None:
        self.requested = True
        self._signals.put(None)

    def _insist(self) -> None:
        self._signals.get()
        while True:
            terminate_workers(self._server)
            time.sleep(0.2)


def _obey_signals() -> None:
    """End a worker at once until granian sets its handlers: it inherits the parent's, which do nothing in it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
