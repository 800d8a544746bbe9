"""OpenTelemetry: a span for each request, and the metrics of /metrics, sent to a collector (OTLP over HTTP).

Active where OTEL_EXPORTER_OTLP_ENDPOINT is set and the extra `otel` is installed; nothing of it is loaded otherwise.
The SDK reads the other OTEL_… variables. A collector that is slow or down delays no request and no stop.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from app.operations import logs

if TYPE_CHECKING:
    from app.operations.telemetry.exports import Telemetry

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
DISABLED = "OTEL_SDK_DISABLED"
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
MISSING = f"{ENDPOINT} is set, but the extra `otel` is not installed: pip install 'latchkey[otel]'"


def is_wanted() -> bool:
    """Return whether the environment names a collector."""
    return bool(os.environ.get(ENDPOINT)) and os.environ.get(DISABLED, "").strip().lower() != "true"


def is_installed() -> bool:
    """Return whether the extra `otel` is installed."""
    try:
        return all(find_spec(name) for name in NEEDED)
    except ModuleNotFoundError:  # a package above it is missing
        return False


def report_missing(level: str) -> None:
    """Log, once a start, that a collector is named and nothing can be sent to it."""
    if is_wanted() and not is_installed():
        logs.configure(level)
        logs.request_log.warning(MISSING)


def connect() -> Telemetry | None:
    """Return what sends, None when nothing is sent; call it in each process that serves, once.

    A bad OTEL_… variable is logged, and the server works without telemetry.
    """
    if not is_wanted() or not is_installed():
        return None
    try:
        from app.operations.telemetry.exports import Telemetry

        return Telemetry()
    except Exception as error:
        logs.request_log.error("telemetry could not be started: check the OTEL_… variables", exc_info=error)
        return None
