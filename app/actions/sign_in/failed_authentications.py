"""Trace failed authentications: the first from an address singly, further ones by their number.

| in a minute of one process | events |
| --- | --- |
| from one address, of one action and target type | SINGLE, then one that counts the others |
| from all addresses | SINGLE_IN_ALL, then one an address that counts |
| from more than MOST_ADDRESSES that are counted | one event that counts all remaining addresses |

An event that counts has `merged` (how many), `since` and `until` in its details. A thread writes it once its minute is
over, and a clean stop before. Processes count for themselves, so their numbers add up; what a killed process has
counted and not written is lost, at most a minute and a half of it; single events are not.
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

MINUTE = 60  # seconds
SINGLE = 30  # as many as the failures of one client that are not limited
SINGLE_IN_ALL = 300
MOST_ADDRESSES = 1_000
INTERVAL = 20.0  # seconds between two looks for a minute that is over
NO_ADDRESS = neighbourhood(None)
log = logging.getLogger(__name__)


class _Kind(NamedTuple):
    """What is merged: events that differ in their target and their time alone."""

    address: str | None
    action: str
    target_type: str


@dataclass(slots=True)
class _Merged:
    """Failures of one kind that have no event of their own."""

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
    """Records failures on behalf of those that judge; one object a process."""

    def __init__(self, store: Store, clock: Clock, interval: float = INTERVAL) -> None:
        """`interval` is the number of seconds after which a minute that is over is written."""
        self._store = store
        self._clock = clock
        self._interval = interval
        self._lock = threading.Lock()
        self._minute = -1
        self._singles: Counter[_Kind | None] = Counter()  # of this minute; None: of all kinds
        self._merged: dict[tuple[int, _Kind], _Merged] = {}
        self._stopping = threading.Event()
        self._writer: threading.Thread | None = None

    def record(self, actor: Actor, actions: Sequence[str], target_type: str, target: str, **details: object) -> None:
        """Leave a trace of one failure, by each of these actions; raise SQLAlchemyError when it cannot be written."""
        now, address = self._clock(), neighbourhood(actor.address)
        with self._lock:
            self._begin_minute(now)
            single = [action for action in actions if self._is_single(_Kind(address, action, target_type), target, now)]
        if not single:
            return
        with self._store.transaction() as session:
            for action in single:
                record(session, actor, action, target_type, target, now, **details)

    def flush(self, *, unfinished: bool = False) -> None:
        """Write the events that count the minutes that are over, and of this one if it is not awaited."""
        minute = _minute_of(self._clock())
        with self._lock:
            over = {key: one for key, one in self._merged.items() if unfinished or one.minute != minute}
            self._merged = {key: one for key, one in self._merged.items() if key not in over}
        if not over:
            return
        try:
            with self._store.transaction() as session:
                _record_merged(session, over)
        except SQLAlchemyError:
            with self._lock:
                self._merged = over | self._merged  # until the next time; a minute is in one of them alone
            log.warning("merged audit events wait for the database")

    def stop(self) -> None:
        """Write the rest and end the thread; for a clean stop of the process."""
        self._stopping.set()
        self.flush(unfinished=True)

    def _begin_minute(self, now: datetime) -> None:
        if (minute := _minute_of(now)) != self._minute:
            self._minute = minute
            self._singles.clear()

    def _is_single(self, kind: _Kind, target: str, now: datetime) -> bool:
        """Return whether a failure gets an event of its own; count it otherwise."""
        if self._singles[kind] < SINGLE and self._singles[None] < SINGLE_IN_ALL:
            self._singles.update((kind, None))
            return True
        self._merge(kind, target, now)
        return False

    def _merge(self, kind: _Kind, target: str, now: datetime) -> None:
        key = self._minute, kind
        if key not in self._merged and len(self._merged) >= MOST_ADDRESSES:
            key = self._minute, kind._replace(address=None)
        if known := self._merged.get(key):
            known.add(target, now)
        else:
            self._merged[key] = _Merged(self._minute, target, now, now)
        if self._writer is None and not self._stopping.is_set():
            self._writer = threading.Thread(target=self._write_on, name="failed-authentications", daemon=True)
            self._writer.start()

    def _write_on(self) -> None:
        while not self._stopping.wait(self._interval):
            self.flush()


def _minute_of(at: datetime) -> int:
    return int(at.timestamp() // MINUTE)


def _record_merged(session: Session, merged: Mapping[tuple[int, _Kind], _Merged]) -> None:
    for (_, kind), one in merged.items():
        when: dict[str, Any] = {"since": one.since.isoformat(), "until": one.until.isoformat()}
        actor = anonymous(None if kind.address == NO_ADDRESS else kind.address, None)
        record(session, actor, kind.action, kind.target_type, one.target, one.until, merged=one.count, **when)
