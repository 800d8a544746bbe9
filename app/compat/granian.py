"""Granian's private names (bound to granian 2.8): the WSGI wrapper, the workers' signal handlers, the worker list."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from granian import _signals
from granian.server import mp

Handler = Callable[[int, FrameType | None], object]


def answer_by(take: Callable[[Any, dict[str, Any]], object]) -> None:
    """Call `take(reply, environ)` for each request of this process, in place of granian's own wrapper.

    That wrapper occupies one of granian's threads until the response is complete.
    """
    module: Any = mp
    module._wsgi_call_wrap = lambda *_: take


def handle_end_signal_once() -> None:
    """Pass only the first SIGINT or SIGTERM on to granian: a worker that gets more than two of them blocks."""
    module: Any = _signals
    install: Any = module.set_main_signals

    def install_once(end: Handler, _reload: Handler | None = None) -> None:
        unhandled = threading.Lock()

        def handle_first(number: int, frame: FrameType | None) -> None:
            if unhandled.acquire(blocking=False):  # in one step: another signal can interrupt this handler anywhere
                end(number, frame)

        install(handle_first)

    module.set_main_signals = install_once


def terminate_workers(server: Any) -> None:
    """Make granian's main loop end, and send SIGTERM to each worker process that it has now."""
    server.signal_handler_interrupt()
    for worker in list(server.wrks):
        worker.terminate()
