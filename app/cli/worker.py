"""A server process: the application, its clean end, and its end when the parent dies."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any

from flask import Flask
from granian import _signals
from granian.server import mp as granian_server

from app import MAX_BODY, create_app
from app.fast_lane.lane import Lane
from app.http import current as parts
from app.http.issuer_path import decoded_path
from app.maintenance.rotation_schedule import RotationSchedule
from app.operations import logs, metrics
from app.operations.admission import Admission
from app.operations.connections import most_connections
from app.operations.dispatch import Dispatch
from app.operations.ledger import ledger
from app.operations.reaper import Reaper
from app.operations.thread_limit import most_waiting
from app.settings.settings import Settings

PR_SET_PDEATHSIG = 1
Handler = Callable[[int, FrameType | None], object]
MALLOPT = {  # glibc: -8 is M_ARENA_MAX, -3 M_MMAP_THRESHOLD
    -8: 2,  # the threads share their pools
    -3: 1024 * 1024,  # bytes; left alone it grows, and then the 19 MiB of a password's hash are kept for ever
}


def application() -> Flask:
    """Make the application in a worker process that granian started; called once, before it serves."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _die_with_parent()
    _heed_one_signal()
    _give_memory_back()
    app = create_app()
    logs.configure_libraries(parts.actions_of(app).settings.log_level)
    settings = parts.actions_of(app).settings
    dispatch, reaper = _dispatch(app, settings)
    ledger.gather()
    Finalize(None, _keep_schedule(app), exitpriority=25)
    Finalize(None, parts.actions_of(app).usage.stop, exitpriority=20)  # granian's workers run no atexit handlers
    Finalize(None, parts.actions_of(app).failed_authentications.stop, exitpriority=20)
    Finalize(None, ledger.settle, exitpriority=15)
    Finalize(None, metrics.forget_process, exitpriority=10)
    Finalize(None, reaper.stop, exitpriority=5)
    Finalize(None, dispatch.stop, exitpriority=5)
    return app


def _dispatch(app: Flask, settings: Settings) -> tuple[Dispatch, Reaper]:
    """Start what answers each request that the server brings, and what ends the connections that hold it up."""
    prefix = decoded_path(settings.issuer)
    admission = Admission(MAX_BODY, prefix, most_waiting(settings.workers))
    lane = app.wsgi_app if isinstance(app.wsgi_app, Lane) else None
    dispatch = Dispatch(admission, app.wsgi_app, lane, prefix)
    dispatch.start()
    reaper = Reaper(admission, settings.port, most_connections())
    reaper.start()
    server: Any = granian_server
    server._wsgi_call_wrap = lambda *_: dispatch.take  # granian's own would keep its thread until the answer is there
    return dispatch, reaper


def _keep_schedule(app: Flask) -> Callable[[], None]:
    """Rotate the signing keys when they are due; gives what ends it."""
    known = parts.actions_of(app)
    schedule = RotationSchedule(known.rotate_signing_key, known.settings.signing_key_rotation)
    schedule.start()
    return schedule.stop


def _die_with_parent() -> None:
    """Kill this worker when its parent dies (Linux), so that it does not keep the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _heed_one_signal() -> None:
    """Let granian hear of the end once: told again while it ends, its main thread can wait for itself for ever."""
    listen: Any = _signals.set_main_signals

    def listen_once(end: Handler, _reload: Handler | None = None) -> None:
        def first(number: int, frame: FrameType | None) -> None:
            listen(_ignore)
            end(number, frame)

        listen(first)

    _signals.set_main_signals = listen_once


def _ignore(_number: int, _frame: FrameType | None) -> None:
    """Do nothing; SIG_IGN would make Python complain about a signal that came a moment before."""


def _give_memory_back() -> None:
    """Make malloc return freed memory to the system."""
    if hasattr(libc := ctypes.CDLL(None), "mallopt"):
        for parameter, value in MALLOPT.items():
            libc.mallopt(parameter, value)
