"""Judge indexes: an index is invalid when introspection of its tokens is inactive, or narrower than what they say."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select, update
from sqlalchemy.orm import Session

from app.actions.status.changes import Entry, dependent_on, entries_of, signing_keys_in
from app.clock import earliest
from app.credentials.kind import Claims, SignedKind
from app.crypto.access_token import audience_of
from app.crypto.signing import Signed
from app.crypto.status_list import index_of
from app.database.statements import insert_selected_once
from app.database.store import Store
from app.database.types import EPOCH
from app.models import Authority, SigningKey, StatusChange, StatusEntry

SUBJECTS_AT_ONCE = 50  # each owns a bounded number of indexes, so that no transaction is long
ENDED = EPOCH  # not the present: the clock of another node may be behind


class JudgeIndexes:
    """Judge what depends on the changes since the last time, in the order of their transactions."""

    def __init__(self, store: Store, kinds: Sequence[SignedKind]) -> None:
        self._store = store
        self._kinds: Mapping[str, SignedKind] = {kind.name: kind for kind in kinds}

    def settle(self, at: datetime) -> None:
        """Judge until nothing has changed since, in short transactions. Raises OperationalError."""
        while self._has_changes():
            with self._store.transaction() as session:
                lock_authority(session)
                self._settle_some(session, at)

    def settle_within(self, session: Session, at: datetime) -> None:
        """Judge until nothing has changed since, in a transaction that holds the lock of the authority epoch."""
        while self._settle_some(session, at):
            pass

    def judge(self, connection: Connection, entry: Entry, at: datetime) -> datetime | None:
        """Return until when an index is valid; None: until its list ends."""
        kind = self._kinds.get(entry.kind)
        if kind is None or entry.revoked or not entry.signed:
            return ENDED
        claims = json.loads(entry.claims) | {"jti": entry.jti, "exp": entry.ends_at.timestamp()}
        ends_at = earliest(entry.ends_at, entry.retires_at) or entry.ends_at
        found = kind.judge(connection, Signed(claims, entry.created_at, ends_at), at)
        if found is None or _is_narrower(found, claims):
            return ENDED
        return None if found.valid_until is None or found.valid_until >= entry.ends_at else found.valid_until

    def _has_changes(self) -> bool:
        with self._store.connection() as connection:
            return connection.scalar(select(StatusChange.subject).limit(1)) is not None

    def _settle_some(self, session: Session, at: datetime) -> bool:
        """Judge what depends on some of the changes; return whether there were any."""
        changed = session.scalars(select(StatusChange.subject).limit(SUBJECTS_AT_ONCE)).all()
        if not changed:
            return False
        insert_selected_once(session, StatusChange, ["subject"], dependent_on(changed, at))
        connection = session.connection()
        _end_unsigned(connection, signing_keys_in(changed))
        _end_revoked(connection, changed)
        for row in connection.execute(entries_of(changed)).all():
            self._store_verdict(connection, Entry(*row), at)
        connection.execute(delete(StatusChange).where(StatusChange.subject.in_(changed)))
        return True

    def _store_verdict(self, connection: Connection, entry: Entry, at: datetime) -> None:
        valid_until = self.judge(connection, entry, at)
        if valid_until == entry.valid_until:
            return
        ended = {"fingerprint": None} if valid_until is not None and valid_until <= at else {}
        index = StatusEntry.number == entry.number, StatusEntry.idx == entry.idx
        connection.execute(
            update(StatusEntry).where(*index, ~StatusEntry.revoked).values(valid_until=valid_until, **ended)
        )


def _end_unsigned(connection: Connection, kids: Sequence[str]) -> None:
    """End all that these keys signed, where they are not the server's any more: in one statement, without judging."""
    if kids:
        unsigned = StatusEntry.kid.in_(kids), ~select(SigningKey.kid).where(SigningKey.kid == StatusEntry.kid).exists()
        connection.execute(update(StatusEntry).where(*unsigned).values(valid_until=ENDED, fingerprint=None))


def _end_revoked(connection: Connection, changed: Sequence[str]) -> None:
    """End what a jti among the changes names: a server from before status lists revoked it."""
    for number, idx in filter(None, map(index_of, changed)):
        revoked = update(StatusEntry).where(StatusEntry.number == number, StatusEntry.idx == idx)
        connection.execute(revoked.values(revoked=True, valid_until=ENDED, fingerprint=None))


def lock_authority(session: Session) -> None:
    """Keep other changes of authority from being committed until this transaction ends.

    Take this lock last: a transaction that commits such a change waits for it with locks on its rows.
    """
    session.execute(select(Authority.epoch).with_for_update())


def _is_narrower(found: Claims, claims: Mapping[str, Any]) -> bool:
    return set(found.audience) != set(audience_of(claims)) or found.scopes.names != frozenset(claims["scope"].split())
