"""Remove secrets from audit events, and record a signed note of the events that changed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Text, and_, create_engine, exists, or_, select, update
from sqlalchemy import cast as as_type
from sqlalchemy.pool import NullPool

from app.actions.audit.actor import Actor
from app.actions.audit.chain import event_hash, lock_head
from app.actions.audit.read import Row, Span, read_rows, snapshot
from app.actions.audit.record import SEVERAL, record
from app.actions.audit.redaction_note import ACTION, Changed, read_note, write_note
from app.clock import Clock
from app.crypto.note_keys import NoteKeys
from app.crypto.pseudonym import PATTERN
from app.database.locks import advisory_lock
from app.database.redaction import REDACTED, hints_in, redact_value
from app.database.store import Store
from app.models import AuditEvent, Client

TEXTS = ("actor_type", "actor", "actor_name", "action", "target_type", "target", "address", "request_id")
REDACTABLE = (*TEXTS, "details")
LOCK = 0x1A7C4E4  # taken by a redaction
MAX_PER_NOTE = 1_000  # events
_SUSPECT = or_(
    *(as_type(getattr(AuditEvent, name), Text).like(f"%{start}%") for name in REDACTABLE for start in ("lk_", "eyJ"))
)
_UNKNOWN_CLIENT = and_(  # older versions stored any text that was sent as the client_id
    AuditEvent.action.in_(("authentication.fail", "authentication.limited")),
    AuditEvent.target_type == "client",
    ~exists().where(Client.client_id == AuditEvent.target),
)
_GENERATED_TARGET = re.compile(rf"client_[0-9a-f]{{31}}|{PATTERN}|{SEVERAL}|")  # an id of ours, or a placeholder
_CHAINED = AuditEvent.hash.is_not(None)  # an event without a hash gets one at the next start, and is found afterwards


@dataclass(frozen=True, slots=True)
class Redacted:
    """The ids of the events that were redacted, the hints of the secrets, and the key that signed the notes."""

    events: tuple[int, ...] = ()
    hints: tuple[str, ...] = ()
    key: str | None = None
    tampered: tuple[int, ...] = ()  # redacted but not in a note: their fields did not give their hash before


class RedactAudit:
    """Finds and removes secrets; idempotent.

    A secret is a text in the format of our secrets or of a JWT, and any text that was sent as an unknown client_id.
    """

    def __init__(self, store: Store, keys: NoteKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def find(self) -> list[int]:
        """Return the ids of the events that contain a secret."""
        with snapshot(self._store) as connection:
            return [row["id"] for row, _ in _with_secrets(connection)]

    def __call__(self, actor: Actor) -> Redacted:
        """Redact every such event and record the notes, in one transaction; the server may keep writing meanwhile."""
        if not self.find():
            return Redacted()
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            connection, now = session.connection(), self._clock()
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete = ON")  # overwrite the old text on the disk
            trusted = self._trusted_changes(connection)
            found = list(_with_secrets(connection))
            if not found:
                return Redacted()  # another process redacted them first
            changed = [_redact(connection, row, redacted) for row, redacted in found]
            noted = [change for change, (row, _) in zip(changed, found, strict=True) if _is_intact(row, trusted)]
            head = lock_head(connection)
            for start in range(0, len(noted) or 1, MAX_PER_NOTE):
                note = write_note(self._keys, head, noted[start : start + MAX_PER_NOTE])
                record(session, actor, ACTION, "audit_event", str(found[start][0]["id"]), now, **note)
        self._truncate_journal()
        ids = {event for event, _, _ in noted}
        hints = dict.fromkeys(hint for row, redacted in found for hint in _hints(row, redacted))
        tampered = tuple(row["id"] for row, _ in found if row["id"] not in ids)
        return Redacted(tuple(sorted(ids)), tuple(hints), self._keys.sign(b"")[0], tampered)

    def _trusted_changes(self, connection: Connection) -> set[Changed]:
        keys = self._keys.trusted()
        notes = [read_note(row) for row in list(read_rows(connection, Span(), AuditEvent.action == ACTION))]
        return {changed for note in notes if note and note.key in keys for changed in note.changed}

    def _truncate_journal(self) -> None:
        """Truncate SQLite's write-ahead log, which still contains the old pages."""
        if self._store.dialect == "sqlite":
            engine = create_engine(self._store.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _with_secrets(connection: Connection) -> Iterator[tuple[Row, Row]]:
    """Return each event with a secret, and its redacted form; the database only narrows the search."""
    unknown = set(connection.execute(select(AuditEvent.id).where(_UNKNOWN_CLIENT, _CHAINED)).scalars())
    for row in list(read_rows(connection, Span(), or_(_SUSPECT, _UNKNOWN_CLIENT), _CHAINED)):
        redacted = row | {name: redact_value(row[name]) for name in REDACTABLE}
        if row["id"] in unknown and _is_typed(redacted["target"]):
            redacted["target"] = REDACTED
        if redacted != row:
            yield row, redacted


def _is_typed(target: str) -> bool:
    """Return whether a target is text that a caller typed, and not a redacted one; stored text was ASCII."""
    return _GENERATED_TARGET.fullmatch(target) is None and target.isascii() and REDACTED not in target


def _redact(connection: Connection, row: Row, redacted: Row) -> Changed:
    values = {name: redacted[name] for name in REDACTABLE if redacted[name] != row[name]}
    connection.execute(update(AuditEvent).where(AuditEvent.id == row["id"]).values(values))
    return row["id"], row["hash"], event_hash(row["previous_hash"], redacted)


def _is_intact(row: Row, trusted: set[Changed]) -> bool:
    """Return whether an event is as it was written, or as a trusted note says: a note must hide no other change."""
    own = event_hash(row["previous_hash"], row)
    return own == row["hash"] or (row["id"], row["hash"], own) in trusted


def _hints(row: Mapping[str, Any], redacted: Row) -> Iterator[str]:
    """Return the hints of the removed secrets."""
    yield from hints_in([row[name] for name in REDACTABLE])
    if redacted["target"] == REDACTED:
        yield REDACTED
