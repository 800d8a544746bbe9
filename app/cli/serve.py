"""`latchkey serve`: set up, print the URLs and example commands, and run the server processes."""

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

from app.cli.actions import open_actions
from app.cli.demo import as_comments, create_demo, revoke_demo
from app.cli.output import json_option, print_json
from app.cli.set_up import check_sign_in, set_up_instance
from app.cli.standard_streams import discard_unwritten, print_line, print_note, refuse_unwritable, undo_unless_printed
from app.cli.start_message import start_message, start_summary
from app.errors import LatchkeyError
from app.maintenance.demo import Created
from app.operations import logs, telemetry
from app.operations.thread_limit import most_bringing
from app.settings.load import load_settings
from app.settings.settings import Settings
from app.settings.sources import PREFIX, service_links

METRICS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
TEMPORARY = tuple(dict.fromkeys(map(Path, (os.environ.get("TMPDIR") or "/tmp", "/tmp", "/var/tmp", "/dev/shm"))))  # noqa: S108


@click.command()
@click.option("--host", help="Address to listen on (127.0.0.1).")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on (8080).")
@click.option("--workers", type=click.IntRange(1, 128), help="Number of server processes (1).")
@click.option("--demo", is_flag=True, help="Set up an example organisation and print its secrets.")
@json_option
def serve(host: str | None, port: int | None, workers: int | None, demo: bool, as_json: bool) -> None:
    """Set up the instance if needed, and serve until Ctrl-C."""
    settings = load_settings(host=host, port=port, workers=workers)
    _check_address(settings)
    most_bringing(settings.workers)  # raises for more workers than the connections allow
    _report_service_links(settings)
    telemetry.report_missing(settings.log_level)
    first = set_up_instance(settings)
    for unknown in check_sign_in(settings):
        print_note(f"latchkey: an identity provider gives a role that does not exist for users: {unknown}")
    _export_options(settings)
    if demo:
        _print_start_with_demo(settings, first, as_json)
    else:
        try:
            _print_start(settings, first, as_json)
        except OSError:  # serve even when stdout is on a full disk
            discard_unwritten(sys.stdout)
    with _shared_metrics(settings):
        from app.cli.supervisor import supervise  # the metrics need their folder when they are imported

        sys.exit(supervise(settings))


def _print_start(settings: Settings, first: bool, as_json: bool, created: list[Created] | None = None) -> None:
    if as_json:
        demo = {} if created is None else {"demo": [asdict(thing) for thing in created]}
        print_json(start_summary(settings) | {"first_start": first} | demo)
    else:
        more = "" if created is None else as_comments(created)
        print_line(start_message(settings, first, more, demo=created is not None))


def _print_start_with_demo(settings: Settings, first: bool, as_json: bool) -> None:
    """Raise LatchkeyError when the secrets of the example organisation cannot be printed."""
    refuse_unwritable()
    actions = open_actions(settings)
    created = create_demo(actions)
    with undo_unless_printed(lambda: revoke_demo(actions, created)):
        _print_start(settings, first, as_json, created)


def _report_service_links(settings: Settings) -> None:
    """Log, once a start, which variables with our prefix are ignored: Kubernetes injects them for a Service."""
    if ignored := service_links():
        logs.configure(settings.log_level)
        logs.request_log.info("variables that Kubernetes injects for a Service are not settings", names=ignored)


def _check_address(settings: Settings) -> None:
    """Raise LatchkeyError when the server cannot listen on the address."""
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
        raise LatchkeyError(f"cannot listen on {where}: {error.strerror or type(error).__name__}") from None


@contextlib.contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """Set the folder, emptied, in which the server's processes share their metrics: a temporary one if needed."""
    with contextlib.ExitStack() as ending:
        folder = _own_metrics_folder(settings) or _temporary_metrics_folder(ending)
        if folder is not None:
            os.environ[METRICS_FOLDER] = str(folder)
        else:
            os.environ.pop(METRICS_FOLDER, None)
            places = ", ".join(map(str, (settings.instance_dir / "metrics", *TEMPORARY)))
            print_note(f"latchkey: no folder for metrics can be written ({places}): each process counts separately")
        yield


def _own_metrics_folder(settings: Settings) -> Path | None:
    folder = settings.instance_dir / "metrics" / str(settings.port)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob("*.db"):
            left_over.unlink(missing_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # an existing folder may be read-only now
            return folder
    except OSError:
        return None


def _temporary_metrics_folder(ending: contextlib.ExitStack) -> Path | None:
    """Create a folder that is deleted when the server ends; return None when nothing can be written."""
    for place in TEMPORARY:
        with contextlib.suppress(OSError):
            folder = tempfile.TemporaryDirectory(prefix="latchkey-", dir=place, ignore_cleanup_errors=True)
            return Path(ending.enter_context(folder))
    return None


def _export_options(settings: Settings) -> None:
    """Set the options as environment variables, from which the workers read their settings."""
    for name in ("host", "port", "workers"):
        os.environ[PREFIX + name.upper()] = str(getattr(settings, name))
