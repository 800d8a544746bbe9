"""Write the trace of a change in the transaction that makes it; read the trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.chain import trace_last
from app.database.store import Store
from app.models import AuditEvent

SEVERAL = "several"  # the target of an event that sums up attempts on more than one


def record(
    session: Session, actor: Actor, action: str, target_type: str, target: str, at: datetime, **details: object
) -> None:
    """Add the event to the caller's transaction, at its end; `details` hold names, ids and numbers, never a secret.

    Raises Invalid for what does not fit its column.
    """
    trace_last(
        session,
        at=at,
        actor_type=actor.type,
        actor=actor.id,
        actor_name=actor.name,
        action=action,
        target_type=target_type,
        target=target,
        address=actor.address,
        request_id=actor.request_id,
        details=({"via": actor.credential_id} if actor.credential_id else {}) | details,
    )


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """What to look for; None leaves a field open. `since` is inclusive, `until` exclusive."""

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class ReadAudit:
    """Page through the trace, newest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, wanted: AuditFilter, limit: int, before_id: int | None) -> tuple[list[AuditEvent], int | None]:
        """Give at most `limit` events older than `before_id`, and the id to go on from (None at the end)."""
        query = select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit + 1)
        for column, value in (
            (AuditEvent.actor, wanted.actor),
            (AuditEvent.action, wanted.action),
            (AuditEvent.target, wanted.target),
        ):
            query = query.where(column == value) if value is not None else query
        if wanted.since is not None:
            query = query.where(AuditEvent.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(AuditEvent.at < wanted.until)
        if before_id is not None:
            query = query.where(AuditEvent.id < before_id)
        with self._store.reading() as session:
            events = list(session.scalars(query))
        return events[:limit], events[limit - 1].id if len(events) > limit else None
