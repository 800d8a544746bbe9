"""Find the credentials that end soon or are not used any more, and write a notice of each, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, literal, select, type_coerce
from sqlalchemy.orm import Session

from app.access.listing import Listing
from app.actions.outbox.notices import Notices
from app.clock import Clock
from app.credentials.kind import LONG_UNUSED, Description, SecretKind
from app.database.statements import delete_expired, insert_once
from app.database.store import Store
from app.database.types import MICROSECOND
from app.models import FoundNotice

ENDINGS = (timedelta(days=1), timedelta(days=7))  # before the end, the nearest first
RETENTION = timedelta(days=400)  # what is still unused then is reported once more
BATCH = 200  # credentials in one transaction
MOST_BATCHES = 50  # of one kind and one notice in a run: the next run goes on
UNUSED = "unused"
COLUMNS = (
    *("id", "name", "hint", "created_at", "expires_at", "last_used_at"),
    *("owner_row_id", "owner_id", "owner_name"),
)


@dataclass(frozen=True, slots=True)
class _Search:
    """One notice of one kind: which rows are due, and since when."""

    notice: str
    listing: Listing
    kind: SecretKind
    due: ColumnElement[datetime]
    conditions: tuple[ColumnElement[bool], ...]
    days: int


class FindDueNotices:
    """Runs again and again, on any number of nodes: a row for each notice makes sure that it is written once."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], notices: Notices, clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._notices = notices
        self._clock = clock

    def __call__(self, keep_going: Callable[[], bool] = lambda: True) -> int:
        """Write what is due now, as long as `keep_going` says; return how many notices that were."""
        now = self._clock()
        with self._store.transaction() as session:
            delete_expired(session, FoundNotice, FoundNotice.due <= now - RETENTION)
        return sum(self._write_all(search, now, keep_going) for search in self._searches(now))

    def _searches(self, now: datetime) -> Iterator[_Search]:
        for kind in self._kinds:
            listing = kind.listing(now)
            if listing is not None:
                yield from _endings(kind, listing, now)
                if listing.use_known:
                    yield _unused(kind, listing, now)

    def _write_all(self, search: _Search, now: datetime, keep_going: Callable[[], bool]) -> int:
        written = 0
        for _ in range(MOST_BATCHES):
            with self._store.transaction() as session:
                rows = session.execute(_due_rows(search)).all()
                written += sum(self._write(session, search, row, now) for row in rows)
            if len(rows) < BATCH or not keep_going():
                break
        return written

    def _write(self, session: Session, search: _Search, row: Any, now: datetime) -> bool:
        if not insert_once(session, FoundNotice, credential_id=row.id, notice=search.notice, due=row.due):
            return False  # another node was faster
        found = _describe(search, row)
        if search.notice == UNUSED:
            self._notices.notify_unused(session, found, now, search.days)
        else:
            self._notices.notify_expiring(session, found, now, search.days)
        return True


def _endings(kind: SecretKind, listing: Listing, now: datetime) -> Iterator[_Search]:
    """Search what ends; what lives no longer than the notice is ahead is ended by design, and needs none."""
    passed = now
    for ahead in ENDINGS:
        lifetime = type_coerce(listing.ends, BigInteger) - type_coerce(listing.created_at, BigInteger)
        conditions = listing.ends > passed, listing.ends <= now + ahead, lifetime > ahead // MICROSECOND
        yield _Search(f"ends_in_{ahead.days}_days", listing, kind, listing.ends, conditions, ahead.days)
        passed = now + ahead


def _unused(kind: SecretKind, listing: Listing, now: datetime) -> _Search:
    conditions = listing.used <= now - LONG_UNUSED, listing.ends > now
    return _Search(UNUSED, listing, kind, listing.used, conditions, LONG_UNUSED.days)


def _due_rows(search: _Search) -> Any:
    """Return the query of live credentials that are due and were not found before."""
    listing = search.listing
    found = select(literal(1)).where(
        FoundNotice.credential_id == listing.id, FoundNotice.notice == search.notice, FoundNotice.due == search.due
    )
    live = listing.enabled, listing.revoked_at.is_(None), *search.conditions, ~found.exists()
    if listing.among is not None:
        live = *live, listing.among
    selected = [getattr(listing, name).label(name) for name in COLUMNS]
    query = select(*selected, search.due.label("due")).select_from(listing.rows)
    return query.where(*live).order_by(search.due).limit(BATCH)


def _describe(search: _Search, row: Any) -> Description:
    return Description(
        "active",
        credential_type=search.kind.name,
        id=row.id,
        name=row.name,
        hint=row.hint,
        owner_type=search.listing.owner_type,
        owner_id=row.owner_id,
        owner_name=row.owner_name,
        created_at=row.created_at,
        expires_at=row.expires_at,
        target=search.kind.target,
        owner_row_id=row.owner_row_id,
        last_used_at=row.last_used_at,
    )
