"""The chain of the audit events: each carries the SHA-256 of itself and of the hash of the one before.

The head of the chain is one row. Whoever adds events holds it, so that no two nodes follow the same event; it is locked
last in each transaction, so that nobody who holds it waits for anything else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, delete, event, func, insert, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from app.compat.sqlalchemy import CompiledInsert, CompiledSelect
from app.database.redaction import redact_value
from app.database.types import EPOCH, MICROSECOND
from app.database.values import WritingSession, refuse_unfit_values
from app.models import AuditEvent
from app.models.audit_event import UNCHAINED, AuditHead

VERSION = "latchkey-audit-1"  # of the form that is hashed
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
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode  # made once: it costs
_last = select(func.max(AuditEvent.id)).where(AuditEvent.id < UNCHAINED).scalar_subquery()
# no id is given twice, even when a row stands where none may be: a stray row is for the verification, not for a stop
_HEAD = CompiledSelect(
    select(AuditHead.last_id, AuditHead.hash, _last).where(AuditHead.chain == 1).with_for_update(of=AuditHead)
)
_MOVE = update(AuditHead).where(AuditHead.chain == 1).values(last_id=bindparam("head_id"), hash=bindparam("head_hash"))
_MOVE_HERE = "UPDATE audit_head SET last_id = ?, hash = ? WHERE chain = 1"
_EVENT, _PLACE = insert(AuditEvent).inline(), ("previous_hash", "hash")
_ADD = CompiledInsert(_EVENT, *FIELDS, *_PLACE)
_ADD_AND_MOVE = CompiledInsert(
    _EVENT.add_cte(_MOVE.cte("moved")), *FIELDS, *_PLACE, "head_id", "head_hash"
)  # in one round trip


def canonical(previous_hash: str, happened: Mapping[str, Any]) -> bytes:
    """Give the bytes that are hashed: a JSON array of the version, the hash before and FIELDS, in ASCII.

    Keys are sorted, nothing stands between; `at` is in microseconds since 1970. Different events are different bytes.
    Raises ValueError or TypeError for what JSON cannot say.
    """
    said = [VERSION, previous_hash, *(happened[name] for name in FIELDS)]
    return _encode(said).encode("ascii")


def event_hash(previous_hash: str, happened: Mapping[str, Any]) -> str:
    """Give the hash that an event has behind this one, in hexadecimal digits."""
    return sha256(canonical(previous_hash, happened)).hexdigest()


def trace_last(session: Session, **happened: Any) -> None:
    """End the transaction with this event, after those recorded before it; raises Invalid.

    A name older than that rule may hold a secret: it is redacted here, for the event must not fail.
    """
    happened = redact_value(happened)
    refuse_unfit_values(AuditEvent, happened)
    session.info.setdefault(PENDING, []).append(happened)


@event.listens_for(WritingSession, "before_commit")
def _write_pending(session: Session) -> None:
    if pending := session.info.pop(PENDING, None):
        session.flush()  # what else is locked is locked before the head
        append(session.connection(), pending)


def append(connection: Connection, events: Sequence[Mapping[str, Any]]) -> None:
    """Add the events to the end of the chain, in this transaction, which had better end soon.

    Each has FIELDS but for the id, which it gets here; `at` is an aware datetime. Raises DatabaseError without a head.
    """
    head = _HEAD.rows(connection)
    if not head:
        gone = RuntimeError("the head of the audit chain is gone: `latchkey audit verify` says more")
        raise DatabaseError("", None, gone)  # as of any other damage: nothing changes without a trace
    last_id, last_hash, stray = head[0]
    rows = _chained(max(last_id, stray or 0), last_hash, events)
    if connection.dialect.name == "postgresql":
        _ADD_AND_MOVE.run(connection, *rows)
    else:
        _ADD.run(connection, *rows)
        connection.exec_driver_sql(_MOVE_HERE, (rows[-1]["id"], rows[-1]["hash"]))


def lock_head(connection: Connection) -> str:
    """Return where the chain ends, as `id:hash`, and hold it until the transaction ends, which had better be soon."""
    [(last_id, last_hash, _)] = _HEAD.rows(connection)
    return f"{last_id}:{last_hash}"


def chain_the_unchained(connection: Connection) -> None:
    """Put to the end of the chain what nodes of the version before wrote beside ours in a rolling upgrade."""
    added = AuditEvent.id >= UNCHAINED, AuditEvent.hash.is_(None)
    columns = [getattr(AuditEvent, name) for name in FIELDS]
    found = connection.execute(delete(AuditEvent).where(*added).returning(*columns)).mappings().all()
    if found:
        append(connection, sorted(map(dict, found), key=itemgetter("id")))


def _chained(last_id: int, last_hash: str, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for number, happened in enumerate(events, last_id + 1):
        kept = {**happened, "id": number, "details": json.loads(json.dumps(happened["details"]))}  # as it will be read
        before, last_hash = last_hash, event_hash(last_hash, kept | {"at": (happened["at"] - EPOCH) // MICROSECOND})
        rows.append(kept | {"previous_hash": before, "hash": last_hash, "head_id": number, "head_hash": last_hash})
    return rows
