"""Publish status lists: signed, and kept in memory until authority changes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import chain

from sqlalchemy import Connection, String, cast, func, select
from sqlalchemy.exc import OperationalError

from app.access.epoch import AuthorityEpoch
from app.actions.status.indexes import PATH
from app.actions.status.judge import JudgeIndexes
from app.clock import Clock, earliest
from app.crypto.signing import SKEW, Signer, SigningKeys, compact
from app.crypto.status_list import TYPE, list_member, list_path, set_bits
from app.database.store import Store
from app.models import StatusEntry, StatusList
from app.models.status_list import CAPACITY
from app.settings.settings import Settings

HALF_LIFE = timedelta(minutes=30)  # a signed list is valid for one to two of these
PATIENCE = 1.0  # seconds to wait for another thread that builds a list: each that waits answers nothing else
LONG_UNREAD = timedelta(days=1)  # a list that was not built since is dropped from memory


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A signed list, and the tag that it shares with equal ones of other processes."""

    token: str
    etag: str


@dataclass(frozen=True, slots=True)
class _Kept:
    """A list of one authority epoch, until the first of its indexes ends by itself, or its signature is renewed."""

    epoch: int
    since: datetime
    until: datetime
    published: PublishedList

    def is_fresh(self, epoch: int, at: datetime) -> bool:
        """Return whether it may be published; a clock that was set back makes another one."""
        return self.epoch == epoch and self.holds(at)

    def holds(self, at: datetime) -> bool:
        """Return whether this is the time for which it was made."""
        return self.since <= at < self.until


class StatusLists:
    """The live lists."""

    def __init__(
        self,
        store: Store,
        keys: SigningKeys,
        judge: JudgeIndexes,
        epoch: AuthorityEpoch,
        settings: Settings,
        clock: Clock,
    ) -> None:
        self._store = store
        self._keys = keys
        self._judge = judge
        self._epoch = epoch
        self._issuer = settings.issuer
        self._ttl = settings.status_list_ttl
        self._clock = clock
        self._kept: dict[int, _Kept] = {}
        self._building = threading.Lock()

    def addresses(self) -> Sequence[str]:
        """Return the address of each live list (section 9.3)."""
        query = select(StatusList.number).where(StatusList.ends_at > self._clock() - SKEW)
        with self._store.connection() as connection:
            return [self._address(number) for number in connection.execute(query.order_by(StatusList.number)).scalars()]

    def get(self, number: int) -> PublishedList | None:
        """Return a list as the last commit left it; None if there is none any more. Raises OperationalError."""
        epoch, now = self._epoch(), self._clock()
        kept = self._kept.get(number)
        if kept is not None and kept.is_fresh(epoch, now):
            return kept.published
        if not self._building.acquire(timeout=PATIENCE):
            raise OperationalError("", None, Exception("another thread builds a status list"))
        try:
            return self._build(number, epoch)
        finally:
            self._building.release()

    def _build(self, number: int, asked: int) -> PublishedList | None:
        """Build a list, unless another thread has since this one asked, in the authority epoch `asked`."""
        epoch, now, kept = self._epoch(), self._clock(), self._kept.get(number)
        if kept is not None and asked <= kept.epoch <= epoch and kept.holds(now):
            return kept.published
        self._judge.settle(now)
        with self._store.connection() as connection:
            query = select(StatusList.ends_at, StatusList.lost_from).where(StatusList.number == number)
            found = connection.execute(query).one_or_none()
            if found is None or found.ends_at + SKEW <= now:
                self._kept.pop(number, None)
                return None
            bits, next_end = _read_bits(connection, number, found.lost_from, now)
            signer = self._keys.signer(connection)
        began = _period(now)
        published = self._sign(signer, number, bits, began, kept.published if kept else None)
        until = earliest(next_end, began + HALF_LIFE, found.ends_at + SKEW) or now
        self._kept = {one: last for one, last in self._kept.items() if last.until + LONG_UNREAD > now}
        self._kept[number] = _Kept(epoch, began, until, published)
        return published

    def _sign(
        self, signer: Signer, number: int, bits: bytes, began: datetime, last: PublishedList | None
    ) -> PublishedList:
        """Sign a list, or return the last one if it is the same."""
        etag = sha256(f"{self._address(number)} {signer.kid} {began} {self._ttl} ".encode() + bits).hexdigest()[:32]
        if last is not None and last.etag == etag:
            return last
        address, times = self._address(number), {"iat": began, "exp": began + 2 * HALF_LIFE}
        claims = {"iss": self._issuer, "sub": address, "ttl": self._ttl, "status_list": list_member(bits)}
        claims |= {name: int(moment.timestamp()) for name, moment in times.items()}
        return PublishedList(signer.sign(compact(claims), TYPE), etag)

    def _address(self, number: int) -> str:
        return f"{self._issuer}{PATH}/{list_path(number)}"


def _period(now: datetime) -> datetime:
    """Return when the half-life of a signature began: the same on every node."""
    seconds = int(HALF_LIFE.total_seconds())
    return datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)


def _read_bits(
    connection: Connection, number: int, lost_from: int | None, now: datetime
) -> tuple[bytes, datetime | None]:
    """Return the bits of a list now, and when the next one is set without a change."""
    row = StatusEntry
    together = func.aggregate_strings(cast(row.idx, String), " ")  # a row for each would take five times as long
    invalid = select(together).where(row.number == number, row.valid_until <= now)
    next_end = select(func.min(row.valid_until)).where(row.number == number, row.valid_until > now)
    lost = range(CAPACITY if lost_from is None else lost_from, CAPACITY)
    bits = set_bits(CAPACITY, chain(map(int, (connection.scalar(invalid) or "").split()), lost))
    return bits, connection.scalar(next_end)
