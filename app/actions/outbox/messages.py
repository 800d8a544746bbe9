"""Which messages of the outbox are due, who delivers them, and how they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from app.compat.sqlalchemy import CompiledSelect
from app.models import OutboxMessage

LEASE = timedelta(minutes=2)  # longer than an attempt takes, with the resolution of the name
DELIVERED = "delivered"  # what the result of a message begins with that was
RETRIED = timedelta(days=3)
KEPT = timedelta(days=7)  # after its end
MOST_KEYS = 32  # order keys that are looked at for one recipient at a time
PAUSES = tuple(timedelta(seconds=seconds) for seconds in (5, 30, 120, 600, 1800, 3600, 7200, 14400))  # after attempts
_DUE = CompiledSelect(
    select(OutboxMessage.id)
    .where(
        OutboxMessage.channel == bindparam("channel"),
        OutboxMessage.ended_at.is_(None),
        OutboxMessage.next_attempt_at <= bindparam("at"),
    )
    .limit(1)
)


@dataclass(frozen=True, slots=True)
class Lease:
    """A message that this process delivers: nobody else does until `until`."""

    id: int
    message_id: str
    recipient: str
    type: str
    payload: dict[str, Any]
    created_at: datetime
    attempts: int
    first_attempt_at: datetime
    until: datetime


def due_messages(channel: str, at: datetime) -> Select[OutboxMessage]:
    """Select the messages to attempt now, the longest due first, and only the first of each order key."""
    row, earlier = OutboxMessage, aliased(OutboxMessage)
    waits = exists().where(
        earlier.channel == row.channel,
        earlier.recipient == row.recipient,
        earlier.order_key == row.order_key,
        earlier.ended_at.is_(None),
        earlier.id < row.id,
    )
    free = or_(row.leased_until.is_(None), row.leased_until <= at)
    due = select(row).where(row.channel == channel, row.ended_at.is_(None), row.next_attempt_at <= at, free, ~waits)
    return due.order_by(row.next_attempt_at, row.id)


def find_heads(
    session: Session, channel: str, recipient: str, at: datetime, most: int, after: str | None
) -> tuple[list[int], str | None]:
    """Return the ids of some due messages to a recipient, each the first of its order key, and the last key seen.

    The keys take turns: give the last key as `after` the next time. However much waits, this takes at most MOST_KEYS
    steps in an index, so that the backlog of one recipient or key costs the others nothing.
    """
    found, key = list[int](), after
    for first in islice(_firsts(session, channel, recipient, after), MOST_KEYS):
        key = first.order_key
        if first.next_attempt_at <= at and (first.leased_until is None or first.leased_until <= at):
            found.append(first.id)
        if len(found) == most:
            break
    return found, key


def _firsts(session: Session, channel: str, recipient: str, after: str | None) -> Iterator[Any]:
    """Yield the first message of each order key: first of the keys behind `after`, then of the others."""
    row = OutboxMessage
    waiting = row.channel == channel, row.recipient == recipient, row.ended_at.is_(None)
    columns = select(row.id, row.order_key, row.next_attempt_at, row.leased_until).where(*waiting)
    for begin, end in ((after, None), (None, after)) if after is not None else ((None, None),):
        key, ahead = begin, columns if end is None else columns.where(row.order_key <= end)
        while (first := _first_behind(session, ahead, key)) is not None:
            key = first.order_key
            yield first


def _first_behind(session: Session, ahead: Any, key: str | None) -> Any:
    behind = ahead if key is None else ahead.where(OutboxMessage.order_key > key)
    return session.execute(behind.order_by(OutboxMessage.order_key, OutboxMessage.id).limit(1)).one_or_none()


def still_due(ids: Sequence[int], at: datetime) -> Select[OutboxMessage]:
    """Select the messages again, but for what was leased, attempted or ended since they were found."""
    row = OutboxMessage
    free = or_(row.leased_until.is_(None), row.leased_until <= at)
    return select(row).where(row.id.in_(ids), row.ended_at.is_(None), row.next_attempt_at <= at, free).order_by(row.id)


def lease_messages(session: Session, due: Select[OutboxMessage], at: datetime) -> list[Lease]:
    """Lease what a query selects, but for what another transaction is leasing at this moment."""
    rows = session.scalars(due.with_for_update(of=OutboxMessage, skip_locked=True)).all()
    for row in rows:
        row.leased_until = at + LEASE
        row.first_attempt_at = row.first_attempt_at or at
    return [_lease_of(row, at) for row in rows]


def end_message(session: Session, lease: Lease, at: datetime, result: str) -> bool:
    """End a message with this result; return whether the lease still held, and so whether it was ended."""
    return _settle(session, lease, ended_at=at, result=result)


def retry_message(session: Session, lease: Lease, at: datetime, result: str) -> bool:
    """Put a message back, to attempt it again after a pause; return whether the lease still held."""
    return _settle(session, lease, next_attempt_at=_next_attempt(lease, at), result=result)


def is_given_up(lease: Lease, at: datetime) -> bool:
    """Return whether a message has been attempted for as long as it is."""
    return at >= lease.first_attempt_at + RETRIED


def end_all(session: Session, channel: str, recipient: str, at: datetime, result: str) -> None:
    """End what still waits for a recipient."""
    mine = OutboxMessage.channel == channel, OutboxMessage.recipient == recipient
    _update(session, *mine, ended_at=at, result=result, leased_until=None)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts."""
    return PAUSES[min(attempts, len(PAUSES)) - 1]


def _next_attempt(lease: Lease, at: datetime) -> datetime:
    return min(at + pause_after(lease.attempts + 1), lease.first_attempt_at + RETRIED)


def _lease_of(row: OutboxMessage, at: datetime) -> Lease:
    own = row.id, row.message_id, row.recipient, row.type, row.payload, row.created_at, row.attempts
    return Lease(*own, row.first_attempt_at or at, at + LEASE)


def _settle(session: Session, lease: Lease, **values: Any) -> bool:
    held = OutboxMessage.id == lease.id, OutboxMessage.leased_until == lease.until
    return _update(session, *held, attempts=lease.attempts + 1, leased_until=None, **values)


def _update(session: Session, *criteria: ColumnElement[bool], **values: Any) -> bool:
    waiting = update(OutboxMessage).where(OutboxMessage.ended_at.is_(None), *criteria)
    return bool(session.connection().execute(waiting.values(**values).returning(OutboxMessage.id)).all())


def has_due_messages(session: Session, channel: str, at: datetime) -> bool:
    """Return whether anything may be due: without a lock, and without looking at its order."""
    return bool(_DUE.rows(session.connection(), channel=channel, at=at))
