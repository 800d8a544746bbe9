"""Remember from where a user signed in with the right password, so that strangers' failures do not keep them out."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import select, update

from app.actions.limits.abuse import neighbourhood
from app.clock import Clock
from app.crypto.opaque import digest
from app.database.statements import delete_expired, insert_once
from app.database.store import Store
from app.errors import Conflict
from app.models import KnownAddress, User
from app.models.names import LONGEST_USERNAME
from app.models.user import has_username

KEPT = timedelta(days=90)
NOTED = timedelta(days=1)  # how often a further sign-in from there is written down


class KnownAddresses:
    """Addresses by user; an IPv6 one stands for its /64."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def holds(self, username: str, address: str | None) -> bool:
        """Tell whether this user signed in from there lately; of a user who does not exist, no."""
        if len(username) > LONGEST_USERNAME or not username.isprintable():  # PostgreSQL would refuse a NUL
            return False
        query = select(KnownAddress.user_id).join(User, User.id == KnownAddress.user_id)
        there = KnownAddress.address_digest == _digest(address), KnownAddress.noted_at > self._clock() - KEPT
        with self._store.connection() as connection:
            return connection.execute(query.where(has_username(username), *there)).first() is not None

    def note(self, user_id: str, address: str | None) -> None:
        """Remember that this user has just given the right password from there."""
        now, key = self._clock(), {"user_id": user_id, "address_digest": _digest(address)}
        query = select(KnownAddress.noted_at).filter_by(**key)
        with self._store.connection() as connection:
            noted_at = connection.execute(query).scalar()
        if noted_at is not None and now - noted_at < NOTED:
            return
        with suppress(Conflict), self._store.transaction() as session:  # the user may be deleted by now
            delete_expired(session, KnownAddress, KnownAddress.noted_at <= now - KEPT)
            if not insert_once(session, KnownAddress, **key, noted_at=now):
                session.execute(update(KnownAddress).filter_by(**key).values(noted_at=now))


def _digest(address: str | None) -> str:
    return digest(neighbourhood(address))
