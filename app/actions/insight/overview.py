"""Overview: what is live, what ends soon, what is unused, and how often authentication failed in the last day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Select, func, select, type_coerce

from app.actions.insight.credentials import CredentialFilter, ListCredentials
from app.clock import Clock
from app.credentials.kind import ENDING_SOON, LONG_UNUSED, CredentialKind
from app.database.store import Store
from app.database.types import EPOCH, MICROSECOND
from app.models import AuditEvent

HOURS = 24
HOUR = timedelta(hours=1)
FAILED = "authentication.fail"


@dataclass(frozen=True, slots=True)
class KindCount:
    """How many credentials of a kind are live, end within a week, and were not used for 90 days (None: not known)."""

    kind: str
    live: int
    ending: int
    unused: int | None


@dataclass(frozen=True, slots=True)
class KindLists:
    """What lists the credentials that each number of a KindCount counts."""

    live: CredentialFilter
    ending: CredentialFilter
    unused: CredentialFilter


@dataclass(frozen=True, slots=True)
class Hour:
    """How many authentications failed in the hour that begins at `since`, of users and of clients."""

    since: datetime
    users: int
    clients: int

    @property
    def failed(self) -> int:
        """Return both together."""
        return self.users + self.clients


class Overview:
    """Counts by one pass over a table for each kind, and by an index of the audit trail."""

    def __init__(self, store: Store, kinds: Sequence[CredentialKind], listed: ListCredentials, clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._listed = listed
        self._clock = clock

    @property
    def titles(self) -> dict[str, str]:
        """What the credentials of each kind are called on pages."""
        return {kind.name: kind.labels.many for kind in self._kinds}

    def credentials(self) -> tuple[KindCount, ...]:
        """Count what is live now, by kind. M2M JWTs are not stored: the clients that can get one are counted."""
        now = self._clock()
        with self._store.reading() as session:
            counts = [(kind.name, kind.live_count(session, now)) for kind in self._kinds]
        return tuple(KindCount(name, count.live, count.ending, count.unused) for name, count in counts if count)

    def lists(self) -> dict[str, KindLists]:
        """Return the lists of what `credentials` counts, for the kinds that the list of all credentials has."""
        after = self._clock() + MICROSECOND  # the list's instants are exclusive
        return {
            kind: KindLists(
                CredentialFilter(kind, status="active"),
                CredentialFilter(ending, status="active", expires_before=after + ENDING_SOON),
                CredentialFilter(kind, status="active", unused_since=after - LONG_UNUSED),
            )
            for kind, ending in self._listed.endings.items()
        }

    def failures(self) -> tuple[Hour, ...]:
        """Count the failed authentications of the last 24 hours, hour by hour, the oldest first."""
        since = self._clock() + MICROSECOND - HOURS * HOUR  # what happens at this instant counts
        with self._store.reading() as session:
            found = {(hour, who): count for hour, who, count in session.execute(_failures(since))}
        return tuple(_hours(since, found))


def _failures(since: datetime) -> Select[*tuple[Any, ...]]:
    passed = type_coerce(AuditEvent.at, BigInteger) - (since - EPOCH) // MICROSECOND
    hour = (passed // (HOUR // MICROSECOND)).label("hour")
    failed = func.sum(func.coalesce(AuditEvent.details["merged"].as_integer(), 1))  # one event may count many
    found = select(hour, AuditEvent.target_type, failed).group_by("hour", AuditEvent.target_type)
    return found.where(AuditEvent.action == FAILED, AuditEvent.at >= since)


def _hours(since: datetime, found: dict[tuple[int, str], int]) -> Iterator[Hour]:
    for number in range(HOURS):
        yield Hour(since + number * HOUR, found.get((number, "user"), 0), found.get((number, "client"), 0))
