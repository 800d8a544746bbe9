"""What a server process is: the application, its clean end, and its end when its parent dies."""

from __future__ import annotations

import ctypes
import signal
import sys
from multiprocessing.util import Finalize

from flask import Flask

from app import create_app
from app.operations import logs, metrics, parts

PR_SET_PDEATHSIG = 1


def application() -> Flask:
    """Make the application in a worker process that granian started; called once, before it serves."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _die_with_parent()
    app = create_app()
    logs.configure_libraries(parts.actions_of(app).settings.log_level)
    Finalize(None, parts.actions_of(app).usage.stop, exitpriority=20)  # granian's workers run no atexit handlers
    Finalize(None, metrics.forget_process, exitpriority=10)
    return app


def _die_with_parent() -> None:
    """Let no worker live on and hold the port when the server was killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
