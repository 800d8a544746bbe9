"""Record failed authentications: the first of an address as single events, further ones merged into a count.

| failures in one minute of one process | audit events |
| --- | --- |
| from one address, of one action and target type | SINGLE events, then one that counts the others |
| from all addresses | SINGLE_IN_ALL events, then one per address that counts the others |
| from more than MAX_ADDRESSES counted addresses | one event that counts all remaining addresses |

An hour has at most SINGLE_IN_HOUR single events of one address, action and target type, and ROWS_IN_HOUR events with an
address; beside these, each minute has one that counts all others. So the rows of a year are bounded.

An event that counts has `merged` (the number), `since` and `until` in its details. A thread writes it after the minute,
or a clean stop before that. Each process counts separately, so the numbers add up. A killed process loses counts that
are not written yet, at most of a minute and a half, but no single event.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor, anonymous
from app.actions.audit.record import SEVERAL, record
from app.actions.limits.abuse import neighbourhood
from app.clock import Clock
from app.database.store import Store

MINUTE, HOUR = 60, 3_600  # seconds
SINGLE = 30  # as many failures as one client may have before it is limited
SINGLE_IN_ALL = 300
SINGLE_IN_HOUR = 120
ROWS_IN_HOUR = 3_000
MAX_ADDRESSES = 1_000
INTERVAL = 20.0  # seconds between two checks for finished minutes
NO_ADDRESS = neighbourhood(None)
log = logging.getLogger(__name__)


class _Kind(NamedTuple):
    """What merged events have in common: they differ only in target and time."""

    address: str | None
    action: str
    target_type: str


@dataclass(slots=True)
class _Merged:
    """Failures of one kind without single events."""

    minute: int
    target: str
    since: datetime
    until: datetime
    count: int = 1

    def add(self, target: str, at: datetime) -> None:
        self.target = target if target == self.target else SEVERAL
        self.until = at
        self.count += 1


class FailedAuthentications:
    """Records failed authentications; one object per process."""

    def __init__(self, store: Store, clock: Clock, interval: float = INTERVAL) -> None:
        """Take the seconds between two checks for finished minutes as `interval`."""
        self._store = store
        self._clock = clock
        self._interval = interval
        self._lock = threading.Lock()
        self._minute = -1
        self._singles: Counter[_Kind | None] = Counter()  # of this minute; None: of all kinds
        self._hour = -1
        self._rows: Counter[_Kind | None] = Counter()  # with an address, of this hour; None: of all kinds
        self._merged: dict[tuple[int, _Kind], _Merged] = {}
        self._stopping = threading.Event()
        self._writer: threading.Thread | None = None

    def record(self, actor: Actor, actions: Sequence[str], target_type: str, target: str, **details: object) -> None:
        """Record one failure under each of these actions; raise SQLAlchemyError when it cannot be written."""
        now, address = self._clock(), neighbourhood(actor.address)
        with self._lock:
            self._start_minute(now)
            single = [action for action in actions if self._is_single(_Kind(address, action, target_type), target, now)]
        if not single:
            return
        with self._store.transaction() as session:
            for action in single:
                record(session, actor, action, target_type, target, now, **details)

    def flush(self, *, unfinished: bool = False) -> None:
        """Write the merged events of the finished minutes; with `unfinished`, of the current one too."""
        minute = _minute_of(self._clock())
        with self._lock:
            finished = {key: one for key, one in self._merged.items() if unfinished or one.minute != minute}
            self._merged = {key: one for key, one in self._merged.items() if key not in finished}
        if not finished:
            return
        try:
            with self._store.transaction() as session:
                _record_merged(session, finished)
        except SQLAlchemyError:
            with self._lock:
                self._merged = finished | self._merged  # for the next attempt; no minute is in both
            log.warning("merged audit events wait for the database")

    def stop(self) -> None:
        """Write the rest and end the thread, at a clean stop of the process."""
        self._stopping.set()
        self.flush(unfinished=True)

    def _start_minute(self, now: datetime) -> None:
        if (minute := _minute_of(now)) != self._minute:
            self._minute = minute
            self._singles.clear()
        if (hour := int(now.timestamp() // HOUR)) != self._hour:
            self._hour = hour
            self._rows.clear()

    def _is_single(self, kind: _Kind, target: str, now: datetime) -> bool:
        """Return whether a failure gets a single event; count it otherwise."""
        singles, rows = self._singles, self._rows
        in_minute = singles[kind] < SINGLE and singles[None] < SINGLE_IN_ALL
        if in_minute and rows[kind] < SINGLE_IN_HOUR and rows[None] < ROWS_IN_HOUR:
            singles.update((kind, None))
            rows.update((kind, None))
            return True
        self._merge(kind, target, now)
        return False

    def _merge(self, kind: _Kind, target: str, now: datetime) -> None:
        key = self._minute, kind
        if key not in self._merged:
            crowded = len(self._merged) >= MAX_ADDRESSES or self._rows[None] >= ROWS_IN_HOUR
            key = self._minute, kind._replace(address=None) if crowded else kind
        if merged := self._merged.get(key):
            merged.add(target, now)
        else:
            self._merged[key] = _Merged(self._minute, target, now, now)
            self._rows[None] += key[1].address is not None
        if self._writer is None and not self._stopping.is_set():
            self._writer = threading.Thread(target=self._flush_regularly, name="failed-authentications", daemon=True)
            self._writer.start()

    def _flush_regularly(self) -> None:
        while not self._stopping.wait(self._interval):
            self.flush()


def _minute_of(at: datetime) -> int:
    return int(at.timestamp() // MINUTE)


def _record_merged(session: Session, merged: Mapping[tuple[int, _Kind], _Merged]) -> None:
    for (_, kind), one in merged.items():
        when: dict[str, Any] = {"since": one.since.isoformat(), "until": one.until.isoformat()}
        actor = anonymous(None if kind.address == NO_ADDRESS else kind.address, None)
        record(session, actor, kind.action, kind.target_type, one.target, one.until, merged=one.count, **when)
