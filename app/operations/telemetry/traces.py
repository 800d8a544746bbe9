"""A span for each request, made when the request is answered."""

from __future__ import annotations

from functools import lru_cache

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from app.operations import logs
from app.operations.finished_request import FinishedRequest
from app.operations.metrics import METHODS

NANOSECONDS = 1_000_000_000
NO_PARENT = Context()
SCOPE = "latchkey"
FAILED = Status(StatusCode.ERROR)


class Traces:
    """Queues spans, at most OTEL_BSP_MAX_QUEUE_SIZE of them; a thread of the SDK sends them."""

    def __init__(self, resource: Resource, exporter: SpanExporter) -> None:
        """Start that thread."""
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SCOPE)

    def record(self, request: FinishedRequest) -> None:
        """Queue the span of a request; never raise, because the request is answered."""
        try:
            self._record(request)
        except Exception as error:
            logs.request_log.warning("a request could not be traced", exc_info=error)

    def _record(self, request: FinishedRequest) -> None:
        ended = int(request.ended_at * NANOSECONDS)
        span = self._tracer.start_span(
            _name(request.method, request.route),
            context=_parent(request.traceparent),
            kind=SpanKind.SERVER,
            attributes=_attributes(request),
            start_time=ended - int(request.seconds * NANOSECONDS),
        )
        if request.status >= 500:
            span.set_status(FAILED)
        span.end(ended)

    def stop(self) -> None:
        """Send the queued spans."""
        self._provider.shutdown()


@lru_cache(maxsize=1024)
def _name(method: str, route: str) -> str:
    return " ".join(filter(None, (method if method in METHODS else "HTTP", route)))


def _attributes(request: FinishedRequest) -> dict[str, AttributeValue]:
    """Return what is said of a request: neither its path nor its query, which may hold a secret."""
    method = request.method if request.method in METHODS else "_OTHER"
    attributes: dict[str, AttributeValue] = {
        "http.request.method": method,
        "http.response.status_code": request.status,
        "latchkey.request_id": request.request_id,
    }
    if request.route:
        attributes["http.route"] = request.route
    if request.kind:
        attributes["latchkey.credential_kind"] = request.kind
    return attributes


def _parent(traceparent: str | None) -> Context:
    """Return the context that the header names; none for a header that is not valid (W3C Trace Context §4.3)."""
    if not traceparent:
        return NO_PARENT
    return TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context=NO_PARENT)
