"""How long each table that grows by itself keeps its rows, and the jobs that delete what is older.

Most tables are swept wherever a row is added too, so that they stay short under load; the job sweeps them when nothing
is added any more. instance/README.md has the same list for the operator, which a test compares with BOUNDS.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, SQLColumnExpression, func, select
from sqlalchemy.orm import Session

from app.access.listing import end_of
from app.actions.audit.actor import SERVER
from app.actions.delegation import codes, devices
from app.actions.delegation.app_tokens import KEPT_GRANTS
from app.actions.directory.webhooks import delete_former_secrets, end_undeliverable
from app.actions.notices import find_due
from app.actions.outbox import messages
from app.actions.sign_in import known_addresses
from app.actions.status.indexes import delete_ended, has_ended
from app.actions.tokens import reuse
from app.actions.tokens.usage_rows import DAYS_KEPT, HOURS_KEPT
from app.compose import Actions
from app.crypto import replaced_secrets
from app.database.statements import delete_expired
from app.database.store import Store
from app.database.types import Base
from app.maintenance.jobs import Job, KeepGoing
from app.models import (
    AppGrant,
    AuditEvent,
    AuthorizationCode,
    DeviceCode,
    FoundNotice,
    KnownAddress,
    OneTimeLink,
    OutboxMessage,
    RefreshToken,
    ReplacedSecret,
    ReusedCredential,
    RevokedToken,
    SpentChallenge,
    SpentLimit,
    StatusList,
    UsageDay,
    UsageHour,
    UsedAssertion,
    UsedProof,
    UserSession,
)

HOUR, DAY = 3_600, 86_400  # seconds


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A table whose rows are deleted `kept` after the instant `end`."""

    table: type[Base]
    end: SQLColumnExpression[datetime]
    kept: timedelta = timedelta()

    def sweep(self, session: Session, now: datetime) -> None:
        """Delete a batch of the rows that are over."""
        delete_expired(session, self.table, self._is_over(now))

    def is_left(self, session: Session, now: datetime) -> bool:
        """Return whether there are rows that are over."""
        return session.scalar(select(1).select_from(self.table).where(self._is_over(now)).limit(1)) is not None

    def _is_over(self, now: datetime) -> ColumnElement[bool]:
        return self.end <= now - self.kept


@dataclass(frozen=True, slots=True)
class StatusListBound:
    """The status lists, which are deleted with their indexes once their last token has expired."""

    table: type[Base] = StatusList

    def sweep(self, session: Session, now: datetime) -> None:
        """Delete a batch of the indexes and lists that have ended."""
        delete_ended(session, now)

    def is_left(self, session: Session, now: datetime) -> bool:
        """Return whether a list has ended."""
        return has_ended(session, now)


BOUNDS: tuple[Bound | StatusListBound, ...] = (
    Bound(UserSession, UserSession.ends_at),
    Bound(OneTimeLink, OneTimeLink.expires_at),
    Bound(UsedProof, UsedProof.expires_at),
    Bound(UsedAssertion, UsedAssertion.expires_at),
    Bound(SpentChallenge, SpentChallenge.expires_at),
    Bound(SpentLimit, SpentLimit.ends_at),
    Bound(KnownAddress, KnownAddress.noted_at, known_addresses.RETENTION),
    Bound(AuthorizationCode, AuthorizationCode.expires_at, codes.KEPT),
    Bound(DeviceCode, DeviceCode.expires_at, devices.LIFETIME),
    Bound(RefreshToken, RefreshToken.expires_at),
    Bound(AppGrant, end_of(AppGrant.expires_at), KEPT_GRANTS),
    Bound(RevokedToken, RevokedToken.expires_at),
    Bound(ReplacedSecret, ReplacedSecret.replaced_at, replaced_secrets.KEPT),
    Bound(ReusedCredential, ReusedCredential.noted_at, reuse.INTERVAL),
    Bound(UsageHour, UsageHour.starts_at, HOURS_KEPT),
    Bound(UsageDay, UsageDay.starts_at, DAYS_KEPT),
    Bound(OutboxMessage, end_of(OutboxMessage.ended_at), messages.KEPT),
    Bound(FoundNotice, FoundNotice.due, find_due.RETENTION),
    StatusListBound(),
)


class Retention:
    """Deletes what is over, in short transactions, and finds the notices that are due."""

    def __init__(self, actions: Actions) -> None:
        self._actions = actions

    def jobs(self) -> tuple[Job, ...]:
        """Return the jobs of this server."""
        return (
            Job("sweep", HOUR, self.sweep_all),
            Job("audit", HOUR, self.prune_audit),
            Job("notices", HOUR, self._actions.find_due_notices),
        )

    def sweep_all(self, keep_going: KeepGoing) -> None:
        """Delete all that is over, a batch in each transaction."""
        store, now = self._actions.store, self._actions.clock()
        for bound in BOUNDS:
            while keep_going() and _is_left(store, bound, now):
                with store.transaction() as session:
                    bound.sweep(session, now)
        with store.transaction() as session:
            delete_former_secrets(session, now)
            end_undeliverable(session, now)

    def prune_audit(self, keep_going: KeepGoing) -> None:
        """Delete the audit events that are older than AUDIT_RETENTION, and sign the last cut with the current key."""
        actions, days = self._actions, self._actions.settings.audit_retention
        actions.prune_audit.countersign(SERVER)
        if days:
            actions.prune_audit(SERVER, actions.clock() - timedelta(days=days), keep_going)


def count_rows(store: Store) -> dict[str, int]:
    """Return how many rows each table has that grows by itself."""
    with store.connection() as connection:
        tables: list[type[Base]] = [AuditEvent, *(bound.table for bound in BOUNDS)]
        return {one.__tablename__: _count(connection, one) for one in tables}


def _is_left(store: Store, bound: Bound | StatusListBound, now: datetime) -> bool:
    with store.reading() as session:
        return bound.is_left(session, now)


def _count(connection: Connection, table: type[Base]) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()
