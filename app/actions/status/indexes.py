"""Find or make the index of a JWT that is about to be signed: one for what it is decided from, not for each token."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

from app.actions.audit.chain import append_pending
from app.actions.status.changes import Entry
from app.actions.status.judge import JudgeIndexes, lock_authority
from app.clock import Clock
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import SignedKind, Subject, Terms
from app.crypto.signing import SKEW, SigningKeys
from app.crypto.status_list import StatusReference, list_path
from app.database.statements import delete_expired
from app.database.store import Store
from app.database.types import new_id
from app.errors import InvalidGrant
from app.models import Authority, Client, StatusChange, StatusEntry, StatusList, StatusSubject
from app.models.status_list import CAPACITY

MOST_INDEXES = 256  # of a client, secret or grant in a list; then one for all that it is issued further
WHOLE = ""  # the kind of that one, which any change ends
DAY = timedelta(days=1)
PATH = "/status-lists"
NOT_STORED = frozenset({"ends_at", "signed", "retires_at"})  # with an index: they are of its list and its key
_FOUND = CompiledSelect(
    select(StatusEntry.number, StatusEntry.idx).where(
        StatusEntry.fingerprint == bindparam("fingerprint"),
        or_(StatusEntry.valid_until.is_(None), StatusEntry.valid_until > bindparam("at")),
        ~exists().where(StatusChange.subject.is_not(None)),
    )
)


@dataclass(frozen=True, slots=True)
class Decided:
    """What tokens are decided from: the claims that they share, and the key that signs them.

    `ends_at` is when their list ends.
    """

    kind: str
    prefix: str
    kid: str
    claims: Mapping[str, Any]
    ends_at: datetime

    def fingerprint(self) -> str:
        """Return the digest by which the index of equal tokens is found."""
        parts = [self.kind, self.kid, self.ends_at.timestamp(), self.claims]
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def widen_to(self, subjects: Sequence[str]) -> Decided:
        """Return what stands for all further tokens of the same client, secret or grant, and the same others."""
        return Decided(WHOLE, self.prefix, self.kid, {"of": subjects}, self.ends_at)


class StatusIndexes:
    """Hands out indexes; an index is written once, and then only read."""

    def __init__(self, store: Store, keys: SigningKeys, judge: JudgeIndexes, issuer: str, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._judge = judge
        self._issuer = issuer
        self._clock = clock

    def assign(self, kind: SignedKind, subject: Subject, terms: Terms, expires_at: datetime) -> StatusReference:
        """Return the index of a token that expires then, written in a transaction of its own if it is new."""
        now = self._clock()
        with self._store.connection() as connection:
            decided = self._describe(connection, kind, subject, terms, expires_at)
            found = self._find(connection, decided, now)
        if found is not None:
            return found
        self._judge.settle(now)
        with self._store.transaction() as session:
            return self._make(session, decided, subject, now)

    def assign_within(
        self, session: Session, kind: SignedKind, subject: Subject, terms: Terms, expires_at: datetime
    ) -> StatusReference:
        """Return the index in the caller's transaction, which takes no further lock: see `lock_authority`."""
        now, connection = self._clock(), session.connection()
        decided = self._describe(connection, kind, subject, terms, expires_at)
        found = self._find(connection, decided, now)
        if found is not None:
            return found
        append_pending(session)  # the head of the audit trail is locked before the authority epoch, as at a commit
        return self._make(session, decided, subject, now)

    def _describe(
        self, connection: Connection, kind: SignedKind, subject: Subject, terms: Terms, expires_at: datetime
    ) -> Decided:
        claims, kid = kind.shared_claims(subject, terms), self._keys.signer(connection).kid
        return Decided(kind.name, kind.prefix, kid, claims, end_of_list(expires_at))

    def _find(self, connection: Connection, decided: Decided, now: datetime) -> StatusReference | None:
        rows = _FOUND.rows(connection, fingerprint=decided.fingerprint(), at=now)
        return self._reference(*rows[0]) if rows else None

    def _make(self, session: Session, decided: Decided, subject: Subject, now: datetime) -> StatusReference:
        lock_authority(session)
        self._judge.settle_within(session, now)
        connection = session.connection()
        decided = replace(decided, kid=self._keys.signer(connection).kid)  # it may have been rotated meanwhile
        found = self._find(connection, decided, now)
        if found is not None:
            return found
        subjects = _subjects(connection, subject)
        entry = _new_entry(decided, now)
        entry = replace(entry, valid_until=self._judge.judge(connection, entry, now))
        if not _is_over(entry, now) and _is_full(connection, subjects[0], decided.ends_at):
            decided = decided.widen_to(subjects)
            entry = _new_entry(decided, now)
            found = self._find(connection, decided, now)
        return found or self._insert(session, decided, entry, subjects)

    def _insert(self, session: Session, decided: Decided, entry: Entry, subjects: Sequence[str]) -> StatusReference:
        now = entry.created_at
        delete_ended(session, now)
        connection = session.connection()
        number, idx = _next_index(connection, decided.ends_at)
        position = {"number": number, "idx": idx}
        values = {name: value for name, value in asdict(entry).items() if name not in NOT_STORED}
        fingerprint = None if _is_over(entry, now) else decided.fingerprint()
        further = {"owner": subjects[0], "fingerprint": fingerprint, "kid": decided.kid}
        connection.execute(insert(StatusEntry).values(values | position | further))
        connection.execute(insert(StatusSubject), [{"subject": one, **position} for one in subjects])
        if fingerprint is None:  # its rights went a moment ago: lists that were read since do not have it yet
            connection.execute(update(Authority).values(epoch=Authority.epoch + 1))
        return self._reference(number, idx)

    def _reference(self, number: int, idx: int) -> StatusReference:
        return StatusReference(f"{self._issuer}{PATH}/{list_path(number)}", number, idx)


def _new_entry(decided: Decided, now: datetime) -> Entry:
    """Return an index that has no place in a list yet."""
    return Entry(
        number=0,
        idx=0,
        kind=decided.kind,
        jti=new_id(decided.prefix),
        claims=json.dumps(decided.claims),
        created_at=now,
        valid_until=None,
        revoked=False,
        ends_at=decided.ends_at,
        signed=True,
        retires_at=None,
    )


def _is_over(entry: Entry, now: datetime) -> bool:
    return entry.valid_until is not None and entry.valid_until <= now


def end_of_list(expires_at: datetime) -> datetime:
    """Return when the list of a token ends that expires then: at the end of that day in UTC."""
    return datetime(expires_at.year, expires_at.month, expires_at.day, tzinfo=UTC) + DAY


def _subjects(connection: Connection, subject: Subject) -> tuple[str, ...]:
    """Return what a token depends on, beginning with whose it is: the ids of rows. Raises InvalidGrant."""
    source, app = subject.source, subject.actor or subject.client_id or ("" if subject.source else subject.id)
    client = connection.scalar(select(Client.id).where(Client.client_id == app)) if app else None
    if app and client is None:
        raise InvalidGrant("the client was deleted at the same moment")
    user = (source.subject or "") if source else subject.id if subject.grant_id else ""
    secret = source.secret.credential_id if source and source.secret else subject.grant_id
    return tuple(dict.fromkeys(one for one in (secret, client, user) if one))


def _is_full(connection: Connection, owner: str, ends_at: datetime) -> bool:
    row, lists = StatusEntry, select(StatusList.number).where(StatusList.ends_at == ends_at)
    mine = select(func.count()).where(row.owner == owner, row.number.in_(lists))
    return (connection.scalar(mine) or 0) >= MOST_INDEXES


def _next_index(connection: Connection, ends_at: datetime) -> tuple[int, int]:
    """Take an index of a list that ends then; begin a list where there is none with room."""
    row = StatusList
    roomy = select(func.max(row.number)).where(row.ends_at == ends_at, row.used < CAPACITY)
    taken = update(row).where(row.number == roomy.scalar_subquery()).values(used=row.used + 1)
    found = connection.execute(taken.returning(row.number, row.used)).one_or_none()
    if found is not None:
        return found.number, found.used - 1
    number = (connection.scalar(select(func.max(row.number))) or 0) + 1
    connection.execute(insert(row).values(number=number, ends_at=ends_at, used=1))
    return number, 0


def delete_ended(session: Session, now: datetime) -> None:
    """Delete some indexes of lists that have ended, and the lists that have none any more."""
    _close_ended(session.connection(), now)
    ended = select(StatusList.number).where(StatusList.ends_at <= now - SKEW)
    delete_expired(session, StatusEntry, StatusEntry.number.in_(ended))
    has_entries = exists().where(StatusEntry.number == StatusList.number)
    delete_expired(session, StatusList, StatusList.ends_at <= now - SKEW, ~has_entries, ~_is_newest())


def has_ended(session: Session, now: datetime) -> bool:
    """Return whether there is a list that has ended, or an index of one."""
    ended = select(StatusList.number).where(StatusList.ends_at <= now - SKEW)
    has_entries = exists().where(StatusEntry.number == StatusList.number)
    return session.scalar(ended.where(or_(~_is_newest(), has_entries)).limit(1)) is not None


def _is_newest() -> ColumnElement[bool]:
    """Return the condition of the list that is kept, so that no number is used twice."""
    return StatusList.number == select(func.max(StatusList.number)).scalar_subquery()


def _close_ended(connection: Connection, now: datetime) -> None:
    """Refuse all of an ended list before the first of its indexes is deleted: the clock may be set back afterwards."""
    row = StatusList
    ended = update(row).where(row.ends_at <= now - SKEW, row.lost_from.is_distinct_from(0))
    closed = connection.execute(ended.values(lost_from=0, used=CAPACITY).returning(row.number)).scalars().all()
    if closed:
        connection.execute(update(StatusEntry).where(StatusEntry.number.in_(closed)).values(fingerprint=None))
        connection.execute(update(Authority).values(epoch=Authority.epoch + 1))  # decisions in memory name the list
