"""`latchkey serve`: set up, say where to look, and keep the server processes running."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
from importlib import import_module

import click
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

from app.cli.greeting import greeting
from app.cli.start import make_ready
from app.errors import LatchkeyError
from app.operations import metrics
from app.settings import PREFIX, Settings, load_settings

THREADS = 8  # a process answers with; four where the slowest percent matters more
PATIENCE = 5  # seconds a worker may take to end
PRELOADED = ("app.oauth", "app.management")  # the workers share what is loaded before they are forked
LOGGING = {
    "formatters": {"json": {"()": "app.operations.logs.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
    "loggers": {"_granian": {"handlers": ["stderr"], "propagate": False}},
}


@click.command()
@click.option("--host", help="Address to listen at (127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen at (8080).")
@click.option("--workers", type=click.IntRange(1, 128), help="Server processes (1).")
def serve(host: str | None, port: int | None, workers: int | None) -> None:
    """Set up what is missing and serve until Ctrl-C."""
    settings = load_settings(host=host, port=port, workers=workers)
    _refuse_taken(settings)
    first = make_ready(settings)
    metrics.start_folder(settings.instance_dir / "metrics" / str(settings.port))
    _hand_down(settings)
    click.echo(greeting(settings, first))
    sys.exit(_run(settings))


def _run(settings: Settings) -> int:
    for room in PRELOADED:
        import_module(room)
    server = Granian(
        "app.cli.worker:application",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        factory=True,
        workers=settings.workers,
        blocking_threads=THREADS,
        http=HTTPModes.http1,
        websockets=False,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=PATIENCE,
        log_level=LogLevels.error,
        log_dictconfig=LOGGING,
    )
    server.on_startup(_ignore_hangup)  # granian would respawn its workers
    os.register_at_fork(after_in_child=_obey_signals)
    server.serve()
    return 0


def _ignore_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _obey_signals() -> None:
    """Let a worker end at once until granian has told it how: it is forked with handlers that only the parent heeds."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _refuse_taken(settings: Settings) -> None:
    """Raise LatchkeyError when the address cannot be listened at."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
            probe.listen()
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        if error.errno == errno.EADDRINUSE:
            raise LatchkeyError(f"{where} is in use: stop what listens there, or pass another --port") from None
        raise LatchkeyError(f"cannot listen at {where}: {error.strerror or type(error).__name__}") from None


def _hand_down(settings: Settings) -> None:
    """Let the workers read the settings that the options gave."""
    for name in ("host", "port", "workers"):
        os.environ[PREFIX + name.upper()] = str(getattr(settings, name))
