"""Revoke what was found in the wild: whoever reports a leaked secret has it ended at once, whoever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.actions.actor import Actor
from app.actions.audit import record
from app.actions.clock import Clock
from app.actions.revoke import Opaque, Signed
from app.credentials.opaque import Prefix, digest, prefix_of
from app.database import Store
from app.models import ClientSecret

REASON = "reported as leaked"


@dataclass(frozen=True, slots=True)
class _Found:
    target_type: str
    target: str
    kind: Opaque | Signed | None

    def in_turn(self) -> tuple[str, str]:
        """Give what to sort by: two reports of the same credentials must not wait for one another."""
        return self.target_type, self.target


class ReportLeak:
    """Possession is the only proof asked for; what is not ours is passed over in silence."""

    def __init__(self, store: Store, opaque: Sequence[Opaque], signed: Sequence[Signed], clock: Clock) -> None:
        self._store = store
        self._opaque = opaque
        self._signed = signed
        self._clock = clock

    def __call__(self, actor: Actor, credentials: Sequence[str]) -> int:
        """End each credential that is ours, all in one transaction; gives how many were live until now."""
        now = self._clock()
        with self._store.reading() as session:  # strangers' strings never take the write lock
            found = [f for f in (self._find(session, token, now) for token in dict.fromkeys(credentials)) if f]
        if not found:
            return 0
        with self._store.transaction() as session:
            return sum(self._end(session, actor, one, now) for one in sorted(set(found), key=_Found.in_turn))

    def _find(self, session: Session, token: str, now: datetime) -> _Found | None:
        if prefix_of(token) is Prefix.CLIENT_SECRET:
            row_id = session.scalar(select(ClientSecret.id).where(ClientSecret.digest == digest(token)))
            return _Found("client_secret", row_id, None) if row_id else None
        for opaque in self._opaque:
            if opaque.recognizes(token):
                credential_id = opaque.identify(session, token, now)
                return _Found(opaque.name, credential_id, opaque) if credential_id else None
        for signed in self._signed:
            if signed.recognizes(token):
                holder = signed.holder(session, token, now)
                return _Found("token", holder.credential_id, signed) if holder else None
        return None

    def _end(self, session: Session, actor: Actor, found: _Found, now: datetime) -> bool:
        if found.kind is None:
            ended = _end_client_secret(session, found.target, now)
        else:
            ended = found.kind.revoke(session, found.target, now, REASON)
        if ended:
            record(session, actor, "credential.report_leak", found.target_type, found.target, now)
        return ended


def _end_client_secret(session: Session, row_id: str, now: datetime) -> bool:
    ended = session.execute(
        update(ClientSecret)
        .where(ClientSecret.id == row_id, ClientSecret.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=REASON)
        .returning(ClientSecret.id)
    )
    return ended.first() is not None
