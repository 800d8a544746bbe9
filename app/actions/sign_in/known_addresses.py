"""Remember the addresses from which a user signed in, so that the failures of others do not lock the user out."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from app.actions.limits.abuse import neighbourhood
from app.actions.outbox.notices import Notices
from app.clock import Clock
from app.crypto.opaque import digest
from app.database.statements import delete_expired, insert_once
from app.database.store import Store
from app.errors import Conflict
from app.models import KnownAddress, User
from app.models.names import LONGEST_USERNAME
from app.models.user import has_username

RETENTION = timedelta(days=90)
UPDATE_INTERVAL = timedelta(days=1)  # a later sign-in from the same address is stored this often


class KnownAddresses:
    """Addresses per user; an IPv6 address is stored as its /64."""

    def __init__(self, store: Store, notices: Notices, clock: Clock) -> None:
        self._store = store
        self._notices = notices
        self._clock = clock

    def holds(self, username: str, address: str | None) -> bool:
        """Return whether this user signed in from the address recently; False for an unknown user."""
        if len(username) > LONGEST_USERNAME or not username.isprintable():  # PostgreSQL refuses a NUL character
            return False
        query = select(KnownAddress.user_id).join(User, User.id == KnownAddress.user_id)
        recent = KnownAddress.address_digest == _digest(address), KnownAddress.noted_at > self._clock() - RETENTION
        with self._store.connection() as connection:
            return connection.execute(query.where(has_username(username), *recent)).first() is not None

    def note(self, user_id: str, username: str, address: str | None) -> None:
        """Store that this user has just signed in from the address; a new one is a notice, the very first is none."""
        now, key = self._clock(), {"user_id": user_id, "address_digest": _digest(address)}
        query = select(KnownAddress.noted_at).filter_by(**key)
        with self._store.connection() as connection:
            noted_at = connection.execute(query).scalar()
        if noted_at is not None and now - noted_at < UPDATE_INTERVAL:
            return
        with suppress(Conflict), self._store.transaction() as session:  # the user may have been deleted
            delete_expired(session, KnownAddress, KnownAddress.noted_at <= now - RETENTION)
            if not insert_once(session, KnownAddress, **key, noted_at=now):
                session.execute(update(KnownAddress).filter_by(**key).values(noted_at=now))
            elif _has_others(session, user_id, key["address_digest"]):
                self._notices.notify_new_place(session, user_id, username, address, now)


def _has_others(session: Session, user_id: str, address_digest: str) -> bool:
    others = KnownAddress.user_id == user_id, KnownAddress.address_digest != address_digest
    return bool(session.scalar(select(exists().where(*others))))


def _digest(address: str | None) -> str:
    return digest(neighbourhood(address))
