"""Rotate, revoke and list the signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from app.actions.audit.actor import SERVER, Actor
from app.actions.audit.record import record
from app.actions.directory.guard import refuse_ending_tokens_of_all
from app.clock import Clock
from app.crypto.signing import KID, LOCK, NOT_PUBLISHED, SigningKeys
from app.database.locks import advisory_lock
from app.database.store import Store
from app.errors import BadSettings, Conflict, NotFound
from app.models import SigningKey


@dataclass(frozen=True, slots=True)
class SigningKeyView:
    """A key as it is shown: `status` is next, active or retiring."""

    kid: str
    alg: str
    status: str
    created_at: datetime
    retires_at: datetime | None


class RotateSigningKey:
    """Let the published next key sign; the one before verifies until its last token has ended."""

    def __init__(self, store: Store, keys: SigningKeys, clock: Clock, ahead: int, every: int) -> None:
        """`ahead` seconds a key is published before it signs; after `every` so many it is rotated, with 0 by hand."""
        self._store = store
        self._keys = keys
        self._clock = clock
        self._ahead = timedelta(seconds=ahead)
        self._every = timedelta(seconds=every)

    def __call__(self, actor: Actor, *, only_when_known: bool = False) -> SigningKeyView:
        """Rotate, and show the key that signs from now on.

        With `only_when_known` it raises Conflict while a verifier's cache may not hold the next key yet.
        """
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            ready_at, now = self._ready_at(session), self._clock()
            if only_when_known and now < ready_at:
                raise Conflict(f"not every verifier knows the next key yet: wait until {_said(ready_at)}")
            return self._rotate(session, actor, now)

    def ready_at(self) -> datetime:
        """Tell from when on whoever verifies our tokens knows the next key."""
        with self._store.reading() as session:
            return self._ready_at(session)

    def when_due(self) -> bool:
        """Rotate when the active key has signed for long enough; of all nodes one does. Tells whether this one did."""
        if not self._every or not self._is_due():
            return False
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            now = self._clock()
            if now < self._due_at(session):
                return False  # another node was faster
            self._rotate(session, SERVER, now)
        return True

    def revoke(self, actor: Actor, kid: str) -> None:
        """End a key at once, with every token it signed, on every node: what to do when a key is stolen.

        Where it is the active one, the next key signs from now on. Raises Forbidden (without `manage`), NotFound, and
        Conflict when it cannot.
        """
        with self._store.transaction() as session:
            now = self._clock()
            if KID.fullmatch(kid) and session.get(SigningKey, kid) is not None:
                refuse_ending_tokens_of_all(actor)
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
        """Return a published key; raises NotFound."""
        found = [key for key in self.list() if key.kid == kid]
        if not found:
            raise NotFound(NOT_PUBLISHED)
        return found[0]

    def list(self) -> list[SigningKeyView]:
        """Show the keys that are published now: active, next, retiring."""
        live = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > self._clock())
        with self._store.reading() as session:
            rows = session.scalars(select(SigningKey).where(live).order_by(SigningKey.state, SigningKey.kid)).all()
            return [_view(row) for row in rows]


def _said(moment: datetime) -> str:
    return (moment + timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")


def _view(row: SigningKey) -> SigningKeyView:
    return SigningKeyView(row.kid, row.alg, row.state, row.created_at, row.retires_at)
