"""Log when sending to the collector begins to fail and when it works again, not each attempt."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from app.operations import logs


class Outcome:
    """The outcome of the last attempt to send `what`."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._failing = False

    def note(self, succeeded: bool) -> None:
        """Note an attempt, and log a change."""
        if succeeded == self._failing:
            self._failing = not succeeded
            text = (
                f"the collector accepts {self._what} again" if succeeded else f"no collector accepts the {self._what}"
            )
            (logs.request_log.info if succeeded else logs.request_log.warning)(text)


class WatchedSpanExporter(SpanExporter):
    """An exporter whose outcome is noted."""

    def __init__(self, inner: SpanExporter, outcome: Outcome) -> None:
        self._inner = inner
        self._outcome = outcome

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans."""
        result = self._inner.export(spans)
        self._outcome.note(result is SpanExportResult.SUCCESS)
        return result

    def shutdown(self) -> None:
        """End an attempt that is under way."""
        self._inner.shutdown()
