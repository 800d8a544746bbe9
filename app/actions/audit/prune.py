"""Delete the oldest audit events, after a signed checkpoint that lets the rest be verified."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, select

from app.actions.audit.actor import Actor
from app.actions.audit.chain import lock_head
from app.actions.audit.checkpoint import ACTION, Checkpoint, write_checkpoint
from app.actions.audit.read import snapshot
from app.actions.audit.record import record
from app.actions.audit.verify import newest_checkpoint, verify_part
from app.clock import Clock
from app.crypto.note_keys import NoteKeys
from app.database.store import Store
from app.errors import Conflict
from app.models import AuditEvent
from app.models.audit_event import UNCHAINED

MOST = 20_000  # events before one checkpoint
BATCH = 500  # events that one transaction deletes
TARGET = "audit_event"
REFUSED = (
    "the events before {:%Y-%m-%d} are not deleted, because the chain is broken there: run `latchkey audit verify`"
)
KeepGoing = Callable[[], bool]  # called between two short transactions


@dataclass(frozen=True, slots=True)
class Cut:
    """What would be deleted: the number of events, and the last of them with its hash."""

    events: int
    through: int
    hash: str


def _always() -> bool:
    return True


class PruneAudit:
    """Deletes whole beginnings of the chain only; several processes may do so at once."""

    def __init__(self, store: Store, keys: NoteKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def count(self, before: datetime) -> int:
        """Return how many events would be deleted."""
        with snapshot(self._store) as connection:
            cut = _next_cut(connection, before, self._clock(), UNCHAINED)
        return cut.events if cut else 0

    def __call__(self, actor: Actor, before: datetime, keep_going: KeepGoing = _always) -> int:
        """Delete the events before this instant, and return their number.

        The clocks of servers differ: the first event at or after the instant is kept, with all that follow. Raise
        Conflict when the chain is broken where it would be cut: the events are evidence then.
        """
        deleted = self._finish(keep_going)
        while keep_going() and self._sign_next(actor, before):
            deleted += self._finish(keep_going)
        return deleted

    def countersign(self, actor: Actor) -> bool:
        """Sign the newest checkpoint with the current key, before the key that signed it is forgotten."""
        with snapshot(self._store) as connection:
            found = newest_checkpoint(connection, self._keys.trusted())
        if found is None or found.key == self._keys.sign(b"")[0]:
            return False
        with self._store.transaction() as session:
            head = _head_hash(session.connection())
            newest = newest_checkpoint(session.connection(), self._keys.trusted())
            if newest != found:
                return False  # another process was first
            note = write_checkpoint(self._keys, head, found.through, found.hash)
            record(session, actor, ACTION, TARGET, str(found.through), self._clock(), events=0, **note)
        return True

    def _sign_next(self, actor: Actor, before: datetime) -> bool:
        """Record the checkpoint of the next events to delete; return False when there are none."""
        now, trusted = self._clock(), self._keys.trusted()
        with snapshot(self._store) as connection:
            cut = _next_cut(connection, before, now)
            if cut is None:
                return False
            if not verify_part(connection, cut.through, trusted):
                raise Conflict(REFUSED.format(before))
        with self._store.transaction() as session:
            head = _head_hash(session.connection())
            earlier = newest_checkpoint(session.connection(), trusted)
            if earlier is None or earlier.through < cut.through:  # else another process was first
                note = write_checkpoint(self._keys, head, cut.through, cut.hash)
                record(session, actor, ACTION, TARGET, str(cut.through), now, events=cut.events, **note)
        return True

    def _finish(self, keep_going: KeepGoing) -> int:
        """Delete what the newest checkpoint covers, in short transactions that take no lock of the chain."""
        with snapshot(self._store) as connection:
            checkpoint = newest_checkpoint(connection, self._keys.trusted())
        deleted = 0
        while checkpoint and keep_going() and (batch := self._delete_batch(checkpoint)):
            deleted += batch
        return deleted

    def _delete_batch(self, checkpoint: Checkpoint) -> int:
        oldest = select(AuditEvent.id).where(AuditEvent.id <= checkpoint.through).order_by(AuditEvent.id).limit(BATCH)
        with self._store.transaction() as session:
            statement = delete(AuditEvent).where(AuditEvent.id.in_(oldest)).returning(AuditEvent.id)
            return len(session.connection().execute(statement).all())


def _next_cut(connection: Connection, before: datetime, now: datetime, most: int = MOST) -> Cut | None:
    """Return the oldest events up to the first that is kept. A time to come is a fault of a clock and keeps nothing."""
    chained = AuditEvent.id < UNCHAINED
    oldest = select(AuditEvent.id, AuditEvent.at).where(chained).order_by(AuditEvent.id).limit(most).subquery()
    is_kept = and_(oldest.c.at >= before, oldest.c.at <= now)
    first_kept = connection.scalar(select(func.min(oldest.c.id)).where(is_kept))
    query = select(func.count(), func.max(oldest.c.id)).where(oldest.c.id < (first_kept or UNCHAINED))
    events, through = connection.execute(query).one()
    if not events:
        return None
    return Cut(events, through, str(connection.scalar(select(AuditEvent.hash).where(AuditEvent.id == through))))


def _head_hash(connection: Connection) -> str:
    """Return the hash of the last event, and lock the head of the chain until commit."""
    return lock_head(connection).partition(":")[2]
