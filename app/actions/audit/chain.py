"""The hash chain of the audit events: the hash of an event covers the event and the hash of the previous one.

The head of the chain is one row. A transaction that appends events locks it, so that no two events have the same
predecessor. It is the last lock that a transaction takes but for the authority epoch, whose holders never wait for it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update
from sqlalchemy.event import listens_for
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.actions.outbox.enqueue import enqueue_events, has_webhooks
from app.compat.sqlalchemy import CompiledInsert, CompiledSelect
from app.database.redaction import redact_value
from app.database.types import EPOCH, MICROSECOND
from app.database.values import WritingSession, refuse_unfit_values
from app.models import AuditEvent
from app.models.audit_event import UNCHAINED, AuditHead

VERSION = "latchkey-audit-1"  # of the hashed representation
PENDING = "audit events of this transaction"
FIELDS = (
    "id",
    "at",
    "actor_type",
    "actor",
    "actor_name",
    "action",
    "target_type",
    "target",
    "address",
    "request_id",
    "details",
)
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode  # slow to make
_last_id = select(func.max(AuditEvent.id)).where(AuditEvent.id < UNCHAINED).scalar_subquery()
# never reuse an id, even after a row that does not belong to the chain: verification reports that row
_HEAD = CompiledSelect(  # whether there are webhooks is part of this query: without any, events cost no further one
    select(AuditHead.last_id, AuditHead.hash, _last_id, has_webhooks)
    .where(AuditHead.chain == 1)
    .with_for_update(of=AuditHead)
)
_MOVE_HEAD = (
    update(AuditHead).where(AuditHead.chain == 1).values(last_id=bindparam("head_id"), hash=bindparam("head_hash"))
)
# SQLite has no UPDATE in a CTE; its text runs on the driver, which costs less than SQLAlchemy's execution
_MOVE_HEAD_SQLITE = "UPDATE audit_head SET last_id = ?, hash = ? WHERE chain = 1"
_EVENT, _HASHES = insert(AuditEvent).inline(), ("previous_hash", "hash")
_INSERT = CompiledInsert(_EVENT, *FIELDS, *_HASHES)
_INSERT_AND_MOVE = CompiledInsert(
    _EVENT.add_cte(_MOVE_HEAD.cte("moved")), *FIELDS, *_HASHES, "head_id", "head_hash"
)  # in one round trip


def canonical(previous_hash: str, event: Mapping[str, Any]) -> bytes:
    """Return the bytes that are hashed: a JSON array of the version, the previous hash and FIELDS, in ASCII.

    Keys are sorted and nothing separates items but commas; `at` is in microseconds since 1970. Different events have
    different bytes. Raise ValueError or TypeError for a value that JSON cannot represent.
    """
    return _encode([VERSION, previous_hash, *(event[name] for name in FIELDS)]).encode("ascii")


def event_hash(previous_hash: str, event: Mapping[str, Any]) -> str:
    """Return the hash of an event that follows the event of `previous_hash`, in hexadecimal digits."""
    return sha256(canonical(previous_hash, event)).hexdigest()


def append_at_commit(session: Session, **fields: Any) -> None:
    """Append this event when the transaction is committed, in the order of the calls; raise Invalid.

    A name from an older version may contain a secret. It is redacted here, because the event must not fail.
    """
    fields = redact_value(fields)
    refuse_unfit_values(AuditEvent, fields)
    session.info.setdefault(PENDING, []).append(fields)


@listens_for(WritingSession, "before_commit")
def append_pending(session: Session) -> None:
    """Append the pending events: at the commit, or before the lock of the authority epoch, which comes later."""
    if pending := session.info.pop(PENDING, None):
        session.flush()  # take all other locks before the head
        append(session.connection(), pending)


def append(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Append the events to the chain. This locks the head until commit: keep the transaction short.

    Each has FIELDS without the id, which is assigned here; `at` is an aware datetime. Raise DatabaseError when the head
    is missing.
    """
    head = _HEAD.rows(connection)
    if not head:
        gone = RuntimeError("the head of the audit chain is missing: run `latchkey audit verify`")
        raise DatabaseError("", None, gone)  # like other damage to the database: nothing changes without an audit event
    last_id, last_hash, stray, subscribed = head[0]
    rows = _chain_rows(max(last_id, stray or 0), last_hash, events)
    if connection.dialect.name == "postgresql":
        _INSERT_AND_MOVE.run(connection, *rows)
    else:
        _INSERT.run(connection, *rows)
        connection.exec_driver_sql(_MOVE_HEAD_SQLITE, (rows[-1]["id"], rows[-1]["hash"]))
    if subscribed:
        enqueue_events(connection, rows)


def lock_head(connection: Connection) -> str:
    """Return the head of the chain as `id:hash`, and lock it until commit: keep the transaction short."""
    [(last_id, last_hash, *_)] = _HEAD.rows(connection)
    return f"{last_id}:{last_hash}"


def chain_the_unchained(connection: Connection) -> None:
    """Append the events that nodes of the previous version wrote during a rolling upgrade."""
    unchained = AuditEvent.id >= UNCHAINED, AuditEvent.hash.is_(None)
    columns = [getattr(AuditEvent, name) for name in FIELDS]
    found = connection.execute(delete(AuditEvent).where(*unchained).returning(*columns)).mappings().all()
    if found:
        append(connection, sorted(map(dict, found), key=itemgetter("id")))


def _chain_rows(last_id: int, last_hash: str, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for number, fields in enumerate(events, last_id + 1):
        row = {**fields, "id": number, "details": json.loads(json.dumps(fields["details"]))}  # as it will be read
        previous, last_hash = last_hash, event_hash(last_hash, row | {"at": (row["at"] - EPOCH) // MICROSECOND})
        rows.append(row | {"previous_hash": previous, "hash": last_hash, "head_id": number, "head_hash": last_hash})
    return rows
