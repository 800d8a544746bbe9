"""Revoke what was found in the wild: whoever reports a leaked secret has it ended at once, whoever they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.tokens.revoke import Opaque, Signed
from app.clock import Clock
from app.crypto.opaque import Prefix, digest, prefix_of
from app.crypto.pasted import bare
from app.database.statements import batches
from app.database.store import Store
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
        now, presented = self._clock(), [bare(credential) for credential in credentials]
        with self._store.reading() as session:  # strangers' strings never take the write lock
            found = self._find_all(session, list(dict.fromkeys(presented)), now)
        if not found:
            return 0
        with self._store.transaction() as session:
            return sum(self._end(session, actor, one, now) for one in sorted(found, key=_Found.in_turn))

    def _find_all(self, session: Session, tokens: Sequence[str], now: datetime) -> set[_Found]:
        """Look up the tokens of each kind together: a report of many costs a few statements."""
        found = {_Found("client_secret", row_id, None) for row_id in _client_secrets(session, tokens)}
        for opaque in self._opaque:
            own = [token for token in tokens if opaque.recognizes(token)]
            found |= {_Found(opaque.name, row_id, opaque) for row_id in opaque.identify_all(session, own, now)}
        for signed in self._signed:
            holders = (signed.holder(session, token, now) for token in tokens if signed.recognizes(token))
            found |= {_Found("token", holder.credential_id, signed) for holder in holders if holder}
        return found

    def _end(self, session: Session, actor: Actor, found: _Found, now: datetime) -> bool:
        if found.kind is None:
            ended = _end_client_secret(session, found.target, now)
        else:
            ended = found.kind.revoke(session, found.target, now, REASON)
        if ended:
            record(session, actor, "credential.report_leak", found.target_type, found.target, now)
        return ended


def _client_secrets(session: Session, tokens: Sequence[str]) -> set[str]:
    own = [digest(token) for token in tokens if prefix_of(token) is Prefix.CLIENT_SECRET]
    found: set[str] = set()
    for batch in batches(own):
        found |= set(session.scalars(select(ClientSecret.id).where(ClientSecret.digest.in_(batch))))
    return found


def _end_client_secret(session: Session, row_id: str, now: datetime) -> bool:
    ended = session.execute(
        update(ClientSecret)
        .where(ClientSecret.id == row_id, ClientSecret.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason=REASON)
        .returning(ClientSecret.id)
    )
    return ended.first() is not None
