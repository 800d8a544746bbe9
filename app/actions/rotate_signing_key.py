"""Rotate and list the signing keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select

from app.actions.actor import Actor
from app.actions.audit import record
from app.actions.clock import Clock
from app.credentials.signing import SigningKeys
from app.database import Store
from app.errors import Conflict
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

    def __init__(self, store: Store, keys: SigningKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def __call__(self, actor: Actor) -> SigningKeyView:
        """Rotate, and show the key that signs from now on."""
        now = self._clock()
        with self._store.transaction() as session:
            kid = self._keys.rotate(session, now)
            record(session, actor, "signing_key.rotate", "signing_key", kid, now)
            row = session.get(SigningKey, kid)
            if row is None:
                raise Conflict("the key was rotated away at the same moment")
            return _view(row)

    def list(self) -> list[SigningKeyView]:
        """Show the keys that are published now: active, next, retiring."""
        live = or_(SigningKey.retires_at.is_(None), SigningKey.retires_at > self._clock())
        with self._store.reading() as session:
            rows = session.scalars(select(SigningKey).where(live).order_by(SigningKey.state, SigningKey.kid)).all()
            return [_view(row) for row in rows]


def _view(row: SigningKey) -> SigningKeyView:
    return SigningKeyView(row.kid, row.alg, row.state, row.created_at, row.retires_at)
