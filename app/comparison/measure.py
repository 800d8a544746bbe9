"""Measure on the running server, for its pages and its API: one comparison at a time, about ten seconds."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from contextvars import Context
from typing import Any

from app.comparison.latest import keep
from app.comparison.phrases import IN_PROCESS
from app.comparison.report import Report
from app.compose import Actions
from app.errors import Conflict
from app.settings.settings import Settings

NEEDS_PASSWORDS = (
    "a comparison signs users in by a password alone: it needs PASSWORDS on, and no second factor of everybody"
)

running = threading.Lock()


def is_possible(settings: Settings) -> bool:
    """Return whether the users that a comparison makes for its time can sign in here."""
    return settings.passwords == "on" and settings.require_second_factor != "everybody"


def refuse_impossible(settings: Settings) -> None:
    """Raise Conflict where no comparison can be made."""
    if not is_possible(settings):
        raise Conflict(NEEDS_PASSWORDS)


def measure(actions: Actions, wsgi_app: Callable[..., Any]) -> Report:
    """Measure in this process and store the result where possible; raises Conflict while another one is being made.

    Raises Conflict also where the settings allow none.
    """
    refuse_impossible(actions.settings)
    if not running.acquire(blocking=False):
        raise Conflict("a comparison is being made right now: try again in some seconds")
    try:
        report: Report = Context().run(_probe, actions, wsgi_app)  # of its own: no probe has the session of the caller
    finally:
        running.release()
    with contextlib.suppress(OSError):  # the folder may not be writable: return the result all the same
        keep(actions.settings, report)
    return report


def _probe(actions: Actions, wsgi_app: Callable[..., Any]) -> Report:
    from app.comparison import probes  # its HTTP client is loaded only where something is measured

    with probes.in_process(wsgi_app, actions.settings.issuer) as client:
        return probes.compare(actions, client, IN_PROCESS, lambda _what: None)
