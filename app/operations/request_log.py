"""Log and measure the requests that the fast lane answered, in batches where a server runs."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple

from app.operations import logs, metrics
from app.operations.finished_request import FinishedRequest, TraceRequest

PAUSE = 0.01  # seconds for which a batch collects entries
MOST_PENDING = 4_096  # entries; the request that exceeds it writes them all at once


class Place(NamedTuple):
    """What requests of one kind have in common: `path` as it was requested, `route` as its rule."""

    method: str
    path: str
    route: str


class Entry(NamedTuple):
    """A request answered with 200; `at` is seconds since 1970, `adds` increments the metric of its subject."""

    at: float
    request_id: str
    place: Place
    seconds: float
    remote_address: str
    credential_id: str | None
    adds: Callable[[float], None] | None
    client_id: str | None = None
    refusal: Mapping[str, str] | None = None
    kind: str | None = None
    traceparent: str | None = None


class RequestLog:
    """Writes each entry at once, or, after `start`, in batches by a thread of its own."""

    def __init__(self, pause: float = PAUSE, trace: TraceRequest | None = None) -> None:
        """`trace` takes each request, if it is traced."""
        self.trace = trace
        self._pause = pause
        self._entries: deque[Entry] = deque()
        self._due = threading.Event()
        self._writing = threading.Lock()
        self._in_batches = False

    def add(self, entry: Entry) -> None:
        """Add a request."""
        self._entries.append(entry)
        if not self._in_batches or len(self._entries) > MOST_PENDING:
            self.flush()
        elif not self._due.is_set():
            self._due.set()

    def start(self) -> None:
        """Write in batches from now on; call `flush` at the end."""
        self._in_batches = True
        threading.Thread(target=self._write_batches, name="request-log", daemon=True).start()

    def flush(self) -> None:
        """Write what was added so far; return when it is written."""
        with self._writing:
            batch = [self._entries.popleft() for _ in range(len(self._entries))]
            if batch:
                _measure(batch)
                with contextlib.suppress(OSError, ValueError):  # a log that cannot be written must not fail a request
                    logs.write("".join(_lines(batch)))
                if self.trace is not None:
                    for entry in batch:
                        self.trace(_finished(entry))

    def _write_batches(self) -> None:
        while self._due.wait():
            time.sleep(self._pause)
            self._due.clear()  # before the flush, so that an entry added meanwhile wakes us again
            self.flush()


def _finished(entry: Entry) -> FinishedRequest:
    method, _, route = entry.place
    ended_at, seconds, request_id = entry.at, entry.seconds, entry.request_id
    return FinishedRequest(ended_at, seconds, method, route, 200, request_id, entry.kind, entry.traceparent)


def _measure(batch: Iterable[Entry]) -> None:
    counts: Counter[Callable[[float], None]] = Counter()
    reasons: Counter[str] = Counter()
    durations: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for entry in batch:
        durations[entry.place.method, entry.place.route].append(entry.seconds)
        if entry.adds is not None:
            counts[entry.adds] += 1
        if entry.refusal is not None and "reason" in entry.refusal:
            reasons[entry.refusal["reason"]] += 1
    for count, times in counts.items():
        count(times)
    for reason, times in reasons.items():
        metrics.count_reason(reason, times)
    for (method, route), seconds in durations.items():
        metrics.count_successes(method, route, seconds)


def _lines(batch: Iterable[Entry]) -> Iterable[str]:
    """Yield the lines that the envelope would write; nothing here can hold a secret."""
    if not logs.is_written("info"):
        return
    for at, request_id, place, seconds, remote, credential, _, client, refusal, _, _ in batch:
        subject = f', "credential_id": "{credential}"' if credential else ""
        subject += f', "client_id": {_quoted(client)}' if client else ""
        if refusal is not None:
            subject += _refusal_fields(refusal, client)
        second, micros = divmod(int(at * 1_000_000), 1_000_000)
        yield (
            f'{{"request_id": "{request_id}{_middle(place)}{seconds * 1000:.3f}, "remote_address": {_quoted(remote)}'
            f'{subject}, "event": "request", "level": "info", "time": "{_second(second)}.{micros:06}Z"}}\n'
        )


def _refusal_fields(refusal: Mapping[str, str], client: str | None) -> str:
    """Return the fields of a refusal; the client that asked is named before, if there is one."""
    fields = {name: value for name, value in refusal.items() if name != "client_id" or client is None}
    return "".join(f', "{name}": {_quoted(value)}' for name, value in fields.items())


_quoted = lru_cache(maxsize=1024)(json.dumps)


@lru_cache(maxsize=256)
def _middle(place: Place) -> str:
    method, path, route = place
    return f'", "method": "{method}", "path": "{path}", "route": "{route}", "status": 200, "duration_ms": '


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
