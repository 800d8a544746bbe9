"""The requests that the fast lane answered: the log line and the metrics of each, in batches where a server runs."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import NamedTuple

from app.operations import logs, metrics

PAUSE = 0.01  # seconds for which a batch gathers
MOST = 4_096  # requests that wait; whoever comes then tells them at once


class Place(NamedTuple):
    """Where requests of one kind come: `path` as it was asked for, `route` as its rule reads."""

    method: str
    path: str
    route: str


class Entry(NamedTuple):
    """A request answered with 200; `at` is seconds since 1970, `adds` adds to the metric of what it was about."""

    at: float
    request_id: str
    place: Place
    seconds: float
    remote_address: str
    credential_id: str | None
    adds: Callable[[float], None] | None
    client_id: str | None = None


class Ledger:
    """Tells each entry at once, or, from `gather` on, in batches by a thread of its own."""

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._entries: deque[Entry] = deque()
        self._due = threading.Event()
        self._telling = threading.Lock()
        self._gathering = False

    def enter(self, entry: Entry) -> None:
        """Take a request down."""
        self._entries.append(entry)
        if not self._gathering or len(self._entries) > MOST:
            self.settle()
        elif not self._due.is_set():
            self._due.set()

    def gather(self) -> None:
        """Begin to tell in batches; whoever begins settles at the end."""
        self._gathering = True
        threading.Thread(target=self._tell_on, name="ledger", daemon=True).start()

    def settle(self) -> None:
        """Tell what has come so far; returns when it is told."""
        with self._telling:
            batch = [self._entries.popleft() for _ in range(len(self._entries))]
            if batch:
                _measure(batch)
                with contextlib.suppress(OSError, ValueError):  # a log that cannot be written hinders no answer
                    logs.write("".join(_lines(batch)))

    def _tell_on(self) -> None:
        while self._due.wait():
            time.sleep(self._pause)
            self._due.clear()  # first, so that what comes from now on wakes us again
            self.settle()


def _measure(batch: Iterable[Entry]) -> None:
    counts: Counter[Callable[[float], None]] = Counter()
    durations: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for entry in batch:
        durations[entry.place.method, entry.place.route].append(entry.seconds)
        if entry.adds is not None:
            counts[entry.adds] += 1
    for count, times in counts.items():
        count(times)
    for (method, route), seconds in durations.items():
        metrics.answered_well(method, route, seconds)


def _lines(batch: Iterable[Entry]) -> Iterable[str]:
    """Write what the envelope writes of a request; nothing here can hold a secret."""
    if not logs.tells("info"):
        return
    for at, request_id, place, seconds, remote, credential, _, client in batch:
        whose = f', "credential_id": "{credential}"' if credential else ""
        whose += f', "client_id": {_quoted(client)}' if client else ""
        second, micros = divmod(int(at * 1_000_000), 1_000_000)
        yield (
            f'{{"request_id": "{request_id}{_asked(place)}{seconds * 1000:.3f}, "remote_address": {_quoted(remote)}'
            f'{whose}, "event": "request", "level": "info", "time": "{_second(second)}.{micros:06}Z"}}\n'
        )


_quoted = lru_cache(maxsize=1024)(json.dumps)


@lru_cache(maxsize=256)
def _asked(place: Place) -> str:
    method, path, route = place
    return f'", "method": "{method}", "path": "{path}", "route": "{route}", "status": 200, "duration_ms": '


@lru_cache(maxsize=4)
def _second(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


ledger = Ledger()
