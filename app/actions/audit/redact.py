"""Take secrets out of the audit events that hold them, and leave a signed note that says which events changed."""

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
from app.actions.audit.record import SEVERAL, record
from app.actions.audit.redaction import ACTION, Changed, read_note, write_note
from app.actions.audit.rows import Row, Span, snapshot, stored
from app.clock import Clock
from app.crypto.note_keys import NoteKeys
from app.crypto.pseudonym import PATTERN
from app.database.locks import advisory_lock
from app.database.secret_text import REDACTED, hints_in, redact_value
from app.database.store import Store
from app.models import AuditEvent, Client

TEXTS = ("actor_type", "actor", "actor_name", "action", "target_type", "target", "address", "request_id")
KEPT = (*TEXTS, "details")
LOCK = 0x1A7C4E4  # of a redaction
MOST_NOTED = 1_000  # events of one note
_ANY = or_(*(as_type(getattr(AuditEvent, name), Text).like(f"%{start}%") for name in KEPT for start in ("lk_", "eyJ")))
_UNKNOWN_CLIENT = and_(  # older versions kept whatever text was sent as the client_id
    AuditEvent.action.in_(("authentication.fail", "authentication.limited")),
    AuditEvent.target_type == "client",
    ~exists().where(Client.client_id == AuditEvent.target),
)
_NO_TYPED_NAME = re.compile(rf"client_[0-9a-f]{{31}}|{PATTERN}|{SEVERAL}|")  # an id of ours, or what stands for one
_CHAINED = AuditEvent.hash.is_not(None)  # what has no hash yet gets it at the next start, and is found then


@dataclass(frozen=True, slots=True)
class Redacted:
    """The ids of the events that were redacted, the hints of the secrets, and the key that signed the notes."""

    events: tuple[int, ...] = ()
    hints: tuple[str, ...] = ()
    key: str | None = None
    tampered: tuple[int, ...] = ()  # redacted too, but not noted: their fields did not give their hash before


class RedactAudit:
    """Finds and removes secrets; whoever removes once more changes nothing.

    A secret is what has the form of one of ours or of a JWT, and any text that was sent as the client_id of no client.
    """

    def __init__(self, store: Store, keys: NoteKeys, clock: Clock) -> None:
        self._store = store
        self._keys = keys
        self._clock = clock

    def find(self) -> list[int]:
        """Return the ids of the events that hold a secret in one of their texts."""
        with snapshot(self._store) as connection:
            return [row["id"] for row, _ in _with_secrets(connection)]

    def __call__(self, actor: Actor) -> Redacted:
        """Redact every such event and note it, all in one transaction; the server may go on writing meanwhile."""
        if not self.find():
            return Redacted()
        with self._store.transaction() as session:
            advisory_lock(session, LOCK)
            connection, now = session.connection(), self._clock()
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete = ON")  # the old text goes from the disk, too
            vouched = self._noted_before(connection)
            found = list(_with_secrets(connection))
            if not found:
                return Redacted()  # another was faster
            changed = [_redact(connection, row, redacted) for row, redacted in found]
            noted = [one for one, (row, _) in zip(changed, found, strict=True) if _is_whole(row, vouched)]
            head = lock_head(connection)
            for start in range(0, len(noted) or 1, MOST_NOTED):
                note = write_note(self._keys, head, noted[start : start + MOST_NOTED])
                record(session, actor, ACTION, "audit_event", str(found[start][0]["id"]), now, **note)
        self._forget_journal()
        ids, hints = {one[0] for one in noted}, [hint for one in found for hint in _hints(*one)]
        told = tuple(sorted(ids)), tuple(dict.fromkeys(hints)), self._keys.sign(b"")[0]
        return Redacted(*told, tampered=tuple(row["id"] for row, _ in found if row["id"] not in ids))

    def _noted_before(self, connection: Connection) -> set[Changed]:
        trusted = self._keys.trusted()
        notes = [read_note(row) for row in list(stored(connection, Span(), AuditEvent.action == ACTION))]
        return {changed for note in notes if note and note.key in trusted for changed in note.changed}

    def _forget_journal(self) -> None:
        """Truncate SQLite's write-ahead log, which still holds the old pages."""
        if self._store.dialect == "sqlite":
            engine = create_engine(self._store.engine.url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


def _with_secrets(connection: Connection) -> Iterator[tuple[Row, Row]]:
    """Return each event that holds a secret, and what it is without; the database only narrows the search."""
    unknown = set(connection.execute(select(AuditEvent.id).where(_UNKNOWN_CLIENT, _CHAINED)).scalars())
    for row in list(stored(connection, Span(), or_(_ANY, _UNKNOWN_CLIENT), _CHAINED)):
        redacted = row | {name: redact_value(row[name]) for name in KEPT}
        if row["id"] in unknown and _is_typed(redacted["target"]):
            redacted["target"] = REDACTED
        if redacted != row:
            yield row, redacted


def _is_typed(target: str) -> bool:
    """Return whether a target is text as a stranger typed it, and not what a redaction has left (kept was ASCII)."""
    return _NO_TYPED_NAME.fullmatch(target) is None and target.isascii() and REDACTED not in target


def _redact(connection: Connection, row: Row, redacted: Row) -> Changed:
    values = {name: redacted[name] for name in KEPT if redacted[name] != row[name]}
    connection.execute(update(AuditEvent).where(AuditEvent.id == row["id"]).values(values))
    return row["id"], row["hash"], event_hash(row["previous_hash"], redacted)


def _is_whole(row: Row, vouched: set[Changed]) -> bool:
    """Return whether an event was as it was written, or as an earlier note says: no note covers up another change."""
    own = event_hash(row["previous_hash"], row)
    return own == row["hash"] or (row["id"], row["hash"], own) in vouched


def _hints(row: Mapping[str, Any], redacted: Row) -> Iterator[str]:
    """Return the marks of what was taken out."""
    yield from hints_in([row[name] for name in KEPT])
    if redacted["target"] == REDACTED:
        yield REDACTED
