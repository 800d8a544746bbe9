"""A collector: it receives traces and metrics over OTLP/HTTP on 127.0.0.1 and decodes them."""

import gzip
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

PATIENCE = 30.0  # seconds
Found = TypeVar("Found")


class Receiver:
    """What one collector has received; `answer` is its status, `hanging` keeps it from answering until it is set."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answer = 200
        self.hanging: threading.Event | None = None
        self.headers: list[Mapping[str, str]] = []
        self.raw: list[bytes] = []
        self._arrived = threading.Condition()
        self._traces: list[ExportTraceServiceRequest] = []
        self._metrics: list[ExportMetricsServiceRequest] = []

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make a server send to it, often."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=for-the-collector",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
            "OTEL_METRIC_EXPORT_INTERVAL": "50",
        }

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Decode a request."""
        body = gzip.decompress(body) if headers.get("Content-Encoding") == "gzip" else body
        with self._arrived:
            self.headers.append(headers)
            self.raw.append(body)
            if path == "/v1/traces":
                self._traces.append(ExportTraceServiceRequest.FromString(body))
            elif path == "/v1/metrics":
                self._metrics.append(ExportMetricsServiceRequest.FromString(body))
            self._arrived.notify_all()

    def spans(self) -> list[tuple[Span, dict[str, Any]]]:
        """Return the spans, each with the attributes of its process."""
        resources = [one for request in self._traces for one in request.resource_spans]
        return [
            (span, attributes(one.resource)) for one in resources for scope in one.scope_spans for span in scope.spans
        ]

    def metrics(self) -> dict[tuple[int, str], Metric]:
        """Return the newest of each metric, by process and name."""
        resources = [one for request in self._metrics for one in request.resource_metrics]
        return {
            (attributes(one.resource)["process.pid"], metric.name): metric
            for one in resources
            for scope in one.scope_metrics
            for metric in scope.metrics
        }

    def wait(self, find: Callable[[], Found | None]) -> Found:
        """Return what `find` returns once it is true; call it after each request that arrives."""
        with self._arrived:
            found = self._arrived.wait_for(find, PATIENCE)
            assert found, "the collector did not receive it"
            return found


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a collector on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.take(self.path, dict(self.headers), body)
            if received.hanging is not None:
                received.hanging.wait(PATIENCE)
            self.send_response(received.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield received
        if received.hanging is not None:
            received.hanging.set()
        server.shutdown()
        thread.join(PATIENCE)


def attributes(of: Any) -> dict[str, Any]:
    """Return the attributes of a span, a data point or a resource."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in of.attributes}
