"""The metrics of /metrics, as this process counted them, sent at the SDK's interval."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, pairwise
from typing import Any

from opentelemetry.sdk.environment_variables import OTEL_METRIC_EXPORT_INTERVAL
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import REGISTRY
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

from app.operations import logs
from app.operations.telemetry.outcome import Outcome

INTERVAL = 60_000.0  # milliseconds, as OpenTelemetry's specification says
PREFIX = "latchkey_"  # /metrics has no others where several processes share their numbers
CUMULATIVE = AggregationTemporality.CUMULATIVE
SCOPE = InstrumentationScope("latchkey")
Times = tuple[int, int]  # nanoseconds since 1970: of the start of the process, and now


class MetricsSender:
    """One thread of a process that serves."""

    def __init__(self, resource: Resource, exporter: MetricExporter, outcome: Outcome) -> None:
        """Raise ValueError for an interval that is not a number."""
        self._resource = resource
        self._exporter = exporter
        self._outcome = outcome
        self._interval = float(os.environ.get(OTEL_METRIC_EXPORT_INTERVAL) or INTERVAL) / 1000
        self._started_at = time.time_ns()
        self._stopping = threading.Event()
        self._ended = threading.Event()

    def start(self, flush: Callable[[], None]) -> None:
        """Start the thread; `flush` counts the requests that are answered and not counted yet."""
        threading.Thread(target=self._run, args=(flush,), name="metrics-export", daemon=True).start()

    def stop(self) -> None:
        """Send the last numbers, after the attempt that is under way."""
        self._stopping.set()
        self._ended.wait()
        self._exporter.shutdown()

    def _run(self, flush: Callable[[], None]) -> None:
        while not self._stopping.wait(self._interval):
            self._send(flush)
        self._send(flush)
        self._ended.set()

    def _send(self, flush: Callable[[], None]) -> None:
        try:
            flush()
            metrics = list(convert(REGISTRY.collect(), (self._started_at, time.time_ns())))
            found = ResourceMetrics(self._resource, [ScopeMetrics(SCOPE, metrics, "")], "")
            self._outcome.note(self._exporter.export(MetricsData([found])) is MetricExportResult.SUCCESS)
        except Exception as error:  # the next attempt may succeed
            logs.request_log.warning("the metrics could not be sent", exc_info=error)


def convert(families: Iterable[Family], times: Times) -> Iterator[Metric]:
    """Yield our own metrics that have a value, with the names and labels of /metrics."""
    for family in families:
        if family.name.startswith(PREFIX) and family.samples:
            yield _CONVERSIONS[family.type](family, times)


def _convert_counter(family: Family, times: Times) -> Metric:
    name = f"{family.name}_total"
    points = [_number(sample, times) for sample in family.samples if sample.name == name]
    return Metric(name, family.documentation, "1", Sum(points, CUMULATIVE, is_monotonic=True))


def _convert_gauge(family: Family, times: Times) -> Metric:
    return Metric(family.name, family.documentation, "", Gauge([_number(sample, times) for sample in family.samples]))


def _convert_histogram(family: Family, times: Times) -> Metric:
    def labels(sample: Sample) -> tuple[tuple[str, str], ...]:
        return tuple((name, value) for name, value in sample.labels.items() if name != "le")

    points = [_distribution(dict(of), list(samples), times) for of, samples in groupby(family.samples, labels)]
    return Metric(family.name, family.documentation, "s", Histogram(points, CUMULATIVE))


def _number(sample: Sample, times: Times) -> NumberDataPoint:
    return NumberDataPoint(dict(sample.labels), *times, sample.value)


def _distribution(labels: dict[str, str], samples: list[Sample], times: Times) -> HistogramDataPoint:
    """Return one histogram, whose buckets count what is above the bucket before, where Prometheus' are cumulative."""
    buckets = [sample for sample in samples if "le" in sample.labels]
    at_most = [0, *(int(sample.value) for sample in buckets)]
    bounds = [float(sample.labels["le"]) for sample in buckets[:-1]]  # the last is infinite
    total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
    counts = [upper - lower for lower, upper in pairwise(at_most)]
    unknown: Any = None  # prometheus_client keeps neither the smallest nor the largest
    return HistogramDataPoint(labels, *times, at_most[-1], total, counts, bounds, unknown, unknown)


_CONVERSIONS: dict[str, Callable[[Family, Times], Metric]] = {
    "counter": _convert_counter,
    "gauge": _convert_gauge,
    "histogram": _convert_histogram,
}
