"""Rotate, revoke and list the signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import SERVER, Actor
from app.actions.audit.record import record
from app.actions.directory.escalation import refuse_revoking_signing_keys
from app.actions.directory.rows import view_of
from app.clock import Clock
from app.crypto.signing import KID, LOCK, NOT_PUBLISHED, SigningKeys
from app.database.locks import advisory_lock
from app.database.store import Store
from app.errors import BadSettings, Conflict, NotFound
from app.models import SigningKey

SigningKeyStatus = Literal["next", "active", "retiring"]


@dataclass(frozen=True, slots=True)
class SigningKeyView:
    """A key as it is shown."""

    kid: str
    alg: str
    status: SigningKeyStatus
    created_at: datetime
    retires_at: datetime | None


class RotateSigningKey:
    """Sign with the published next key; the previous one verifies until its last token has expired."""

    def __init__(self, store: Store, keys: SigningKeys, clock: Clock, ahead: int, every: int) -> None:
        """A key is published `ahead` seconds before it signs, for `every` seconds (0: until it is rotated by hand)."""
        self._store = store
        self._keys = keys
        self._clock = clock
        self._ahead = timedelta(seconds=ahead)
        self._every = timedelta(seconds=every)

    def __call__(self, actor: Actor, *, only_when_known: bool = False) -> SigningKeyView:
        """Rotate, and return the key that signs from now on.

        With `only_when_known` it raises Conflict while a verifier's cache may not hold the next key yet.
        """
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            ready_at, now = self._ready_at(session), self._clock()
            if only_when_known and now < ready_at:
                raise Conflict(f"not every verifier knows the next key yet: wait until {_format_instant(ready_at)}")
            return self._rotate(session, actor, now)

    def ready_at(self) -> datetime:
        """Return from when on every verifier of our tokens knows the next key."""
        with self._store.reading() as session:
            return self._ready_at(session)

    def when_due(self) -> bool:
        """Rotate when the active key has signed for long enough; return whether this node rotated it."""
        if not self._every or not self._is_due():
            return False
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            now = self._clock()
            if now < self._due_at(session):
                return False  # another node rotated it
            self._rotate(session, SERVER, now)
        return True

    def due_at(self) -> datetime | None:
        """Return when the active key is to be rotated; None: by hand."""
        if not self._every:
            return None
        with self._store.reading() as session:
            return self._due_at(session)

    def revoke(self, actor: Actor, kid: str) -> None:
        """Revoke a key at once on every node, with every token it signed: for a key that was stolen.

        When it is the active one, the next key signs from now on. Raises Forbidden (without `manage`), NotFound, and
        Conflict when it cannot.
        """
        with self._store.transaction() as session:
            now = self._clock()
            if KID.fullmatch(kid) and session.get(SigningKey, kid) is not None:
                refuse_revoking_signing_keys(actor)
            try:
                state = self._keys.revoke(session, kid, now)
            except BadSettings as error:
                raise Conflict(f"the next key cannot sign: {error}") from None
            record(session, actor, "signing_key.revoke", "signing_key", kid, now, status=state)

    def _rotate(self, session: Session, actor: Actor, now: datetime) -> SigningKeyView:
        try:
            kid = self._keys.rotate(session, now)
        except BadSettings as error:
            raise Conflict(f"the next key cannot sign: {error}") from None
        record(session, actor, "signing_key.rotate", "signing_key", kid, now)
        row = session.get(SigningKey, kid)
        if row is None:
            raise Conflict("the key was rotated away at the same moment")
        return _view(row)

    def _ready_at(self, session: Session) -> datetime:
        turn = self._keys.turn(session)
        return turn.began_at if turn.together else turn.began_at + self._ahead

    def _due_at(self, session: Session) -> datetime:
        return self._keys.turn(session).began_at + self._every

    def _is_due(self) -> bool:
        with self._store.reading() as session:
            return self._clock() >= self._due_at(session)

    def get(self, kid: str) -> SigningKeyView:
        """Return a published key. Raises NotFound."""
        found = [key for key in self.list() if key.kid == kid]
        if not found:
            raise NotFound(NOT_PUBLISHED)
        return found[0]

    def list(self) -> list[SigningKeyView]:
        """List the keys that are published now: active, next, retiring."""
        live = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > self._clock())
        with self._store.reading() as session:
            rows = session.scalars(select(SigningKey).where(live).order_by(SigningKey.state, SigningKey.kid)).all()
            return [_view(row) for row in rows]


def _format_instant(moment: datetime) -> str:
    return (moment + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _view(row: SigningKey) -> SigningKeyView:
    return view_of(SigningKeyView, row, status=row.state)
