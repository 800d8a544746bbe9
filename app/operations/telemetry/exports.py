"""Traces and metrics of this process, from their start to a stop of bounded length."""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.util.types import AnyValue

from app.operations.finished_request import FinishedRequest
from app.operations.telemetry.metrics import MetricsSender
from app.operations.telemetry.outcome import Outcome, WatchedSpanExporter
from app.operations.telemetry.traces import Traces

STOP_PATIENCE = 2.0  # seconds that a stop waits for the collector, of the 5 that a worker has to end
SERVICE = "latchkey"
NOISY = (  # they log each failed attempt to send, and each header of a stranger that is not valid
    "opentelemetry.exporter",
    "opentelemetry.sdk._shared_internal",
    "opentelemetry.trace",
    "urllib3",
)


class Telemetry:
    """Sends until `stop`."""

    def __init__(self) -> None:
        """Start the thread that sends traces; raise ValueError for a bad OTEL_… variable."""
        for name in NOISY:  # `Outcome` logs when it begins to fail, and when it works again
            logging.getLogger(name).setLevel(logging.CRITICAL)
        resource = _describe_process()
        self._traces = Traces(resource, WatchedSpanExporter(OTLPSpanExporter(), Outcome("traces")))
        self._metrics = MetricsSender(resource, OTLPMetricExporter(), Outcome("metrics"))

    def start(self, flush: Callable[[], None]) -> None:
        """Send the metrics too; `flush` counts the requests that are answered and not counted yet."""
        self._metrics.start(flush)

    def trace(self, request: FinishedRequest) -> None:
        """Queue the span of a request."""
        self._traces.record(request)

    def stop(self) -> None:
        """Send what is queued and the last metrics; leave it when the collector takes longer than STOP_PATIENCE."""
        deadline = time.monotonic() + STOP_PATIENCE
        last = [threading.Thread(target=end, daemon=True) for end in (self._traces.stop, self._metrics.stop)]
        for thread in last:
            thread.start()
        for thread in last:
            thread.join(max(0.0, deadline - time.monotonic()))


def _describe_process() -> Resource:
    """Return the attributes of this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES overrule ours."""
    ours: dict[str, AnyValue] = {
        "service.name": SERVICE,
        "service.version": _read_version(),
        "service.instance.id": secrets.token_hex(16),
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
    }
    return Resource.create(ours | dict(OTELResourceDetector().detect().attributes))


def _read_version() -> str:
    try:
        return version(SERVICE)
    except PackageNotFoundError:  # a checkout that is not installed
        return ""
