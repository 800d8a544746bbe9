"""`latchkey serve`: set up, say where to look, and keep the server processes running."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from app.cli.demo import as_comments, furnish, withdraw
from app.cli.greeting import greeting, where
from app.cli.output import json_option, show
from app.cli.session import open_actions
from app.cli.start import make_ready
from app.cli.streams import give_up, refuse_unwritable, say, tell, undone_unless_printed
from app.errors import LatchkeyError
from app.maintenance.demo import Created
from app.operations import logs
from app.operations.thread_limit import most_bringing
from app.settings.load import load_settings
from app.settings.settings import Settings
from app.settings.sources import PREFIX, service_links

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
TEMPORARY = tuple(dict.fromkeys(map(Path, (os.environ.get("TMPDIR") or "/tmp", "/tmp", "/var/tmp", "/dev/shm"))))  # noqa: S108


@click.command()
@click.option("--host", help="Address to listen at (127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen at (8080).")
@click.option("--workers", type=click.IntRange(1, 128), help="Server processes (1).")
@click.option("--demo", is_flag=True, help="Set up an example organisation and print its secrets.")
@json_option
def serve(host: str | None, port: int | None, workers: int | None, demo: bool, as_json: bool) -> None:
    """Set up what is missing and serve until Ctrl-C."""
    settings = load_settings(host=host, port=port, workers=workers)
    _refuse_taken(settings)
    most_bringing(settings.workers)  # refuses more workers than there is room for
    _report_service_links(settings)
    first = make_ready(settings)
    _hand_down(settings)
    if demo:
        _greet_with_secrets(settings, first, as_json)
    else:
        try:
            _greet(settings, first, as_json)
        except OSError:  # a full disk behind stdout is no reason not to serve
            give_up(sys.stdout)
    with _shared_metrics(settings):
        from app.cli.supervisor import supervise  # the metrics must find their folder when they are loaded

        sys.exit(supervise(settings))


def _greet(settings: Settings, first: bool, as_json: bool, made: list[Created] | None = None) -> None:
    if as_json:
        demo = {} if made is None else {"demo": [asdict(thing) for thing in made]}
        show(where(settings) | {"first_start": first} | demo)
    else:
        tell(greeting(settings, first, "" if made is None else as_comments(made)))


def _greet_with_secrets(settings: Settings, first: bool, as_json: bool) -> None:
    """Raise LatchkeyError when the secrets of the example organisation cannot be printed."""
    refuse_unwritable()
    actions = open_actions(settings)
    made = furnish(actions)
    with undone_unless_printed(lambda: withdraw(actions, made)):
        _greet(settings, first, as_json, made)


def _report_service_links(settings: Settings) -> None:
    """Log, once a start, which variables under our prefix set nothing: Kubernetes injects them for a Service."""
    if passed_over := service_links():
        logs.configure(settings.log_level)
        logs.request_log.info("variables that Kubernetes injects for a Service are no settings", names=passed_over)


def _refuse_taken(settings: Settings) -> None:
    """Raise LatchkeyError when the address cannot be listened at."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    where = f"{settings.host}:{settings.port}"
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise LatchkeyError(f"{where} is in use: stop what listens there, or pass another --port") from None
        raise LatchkeyError(f"cannot listen at {where}: {error.strerror or type(error).__name__}") from None


@contextlib.contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """Name the folder, empty, in which the server's processes share their numbers: a temporary one if need be."""
    with contextlib.ExitStack() as ending:
        folder = _own_metrics_folder(settings) or _temporary_metrics_folder(ending)
        if folder is not None:
            os.environ[METRICS_FOLDER] = str(folder)
        else:
            os.environ.pop(METRICS_FOLDER, None)
            places = ", ".join(map(str, (settings.instance_dir / "metrics", *TEMPORARY)))
            say(f"latchkey: no folder for metrics can be written ({places}): each process counts on its own")
        yield


def _own_metrics_folder(settings: Settings) -> Path | None:
    folder = settings.instance_dir / "metrics" / str(settings.port)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob("*.db"):
            left_over.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # an older folder may be on what is read-only now
            return folder
    except OSError:
        return None


def _temporary_metrics_folder(ending: contextlib.ExitStack) -> Path | None:
    """Make one that goes when the server ends; None when nothing can be written."""
    for place in TEMPORARY:
        with contextlib.suppress(OSError):
            made = tempfile.TemporaryDirectory(prefix="latchkey-", dir=place, ignore_cleanup_errors=True)
            return Path(ending.enter_context(made))
    return None


def _hand_down(settings: Settings) -> None:
    """Let the workers read the settings that the options gave."""
    for name in ("host", "port", "workers"):
        os.environ[PREFIX + name.upper()] = str(getattr(settings, name))
