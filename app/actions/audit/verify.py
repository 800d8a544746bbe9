"""Verify the chain of the audit events, in the database or in an export, and report where it is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, select

from app.actions.audit.chain import event_hash
from app.actions.audit.checkpoint import ACTION as PRUNE
from app.actions.audit.checkpoint import Checkpoint, read_checkpoint
from app.actions.audit.read import Row, Span, parse_export, read_rows, snapshot
from app.actions.audit.redaction_note import ACTION as REDACT
from app.actions.audit.redaction_note import Changed, Redaction, read_note
from app.database.store import Store
from app.models import AuditEvent
from app.models.audit_event import NO_HASH

MAX_BREAKS = 20  # only the first is certain: the others may follow from it
MAX_DOUBTFUL = 100_000  # changed events for which a note may follow; further ones are reported as changed
CHANGED = "its hash does not match its fields"
UNTRUSTED = "redacted, as event {} states, signed with the key {}: if that is the server's key, pass it"
INSERTED = "the chain does not include it"
REMOVED = "the event before it is missing: removed or replaced"
BEHIND = "it comes after the head of the chain, or the head was moved back"
UNCHAINED = "it has no hash; if a node of the previous version wrote it, the next start adds it to the chain"
UNKNOWN_KEY = (
    "deleted before it, as event {0.event} states, signed with the key {0.key}: if that is the server's key, pass it"
)
DELETED = "it was noted earlier, and is among the events that were deleted up to {0.through}:{0.hash}"
HEAD = "the head of the chain does not name the last event and its hash"


@dataclass(frozen=True, slots=True)
class Place:
    """An event's id and its hash, written `id:hash`."""

    id: Any
    hash: str

    def __str__(self) -> str:
        return f"{self.id}:{self.hash}"


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain is broken: the event's id (None: the head), what was done, and the evidence."""

    event: Any
    what: str  # changed, inserted, removed, head, or expected
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The number of events, the id of the first, the place of the last, and the first breaks of the chain."""

    events: int
    first: Any
    last: Place
    breaks: tuple[Break, ...]
    redactions: tuple[Redaction, ...] = ()  # that explain events whose hash does not match their fields
    checkpoint: Checkpoint | None = None  # up to which older events were deleted

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.breaks


class VerifyAudit:
    """Verify the whole chain on one snapshot of the database, while the server keeps writing."""

    def __init__(self, store: Store, trusted: frozenset[str] = frozenset()) -> None:
        """Take the store and the public keys whose redaction notes are trusted."""
        self._store = store
        self._trusted = trusted

    def __call__(self, *expected: Place) -> Verdict:
        """Verify; `expected` are places that were noted earlier, which must still exist."""
        with snapshot(self._store) as connection:
            head = _head(connection)
            walk = _Walk(NO_HASH, expected, self._trusted)
            walk.begin(connection)
            walk.follow(_up_to(head, read_rows(connection), walk), head.hash if head else None)
            walk.check_head(head)
        return walk.verdict()


def verify_part(connection: Connection, through: int, trusted: frozenset[str]) -> bool:
    """Return whether nothing is wrong from the first event to this one; later notes may explain a redaction."""
    walk = _Walk(NO_HASH, (), trusted)
    walk.begin(connection)
    walk.notes += filter(None, map(read_note, list(read_rows(connection, Span(), AuditEvent.action == REDACT))))
    end = connection.scalar(select(AuditEvent.hash).where(AuditEvent.id == through))
    walk.follow(read_rows(connection, Span(), AuditEvent.id <= through), end)
    return walk.verdict().intact


def newest_checkpoint(connection: Connection, trusted: frozenset[str] | None) -> Checkpoint | None:
    """Return the newest checkpoint whose key is trusted; with None, whatever its key."""
    rows = list(read_rows(connection, Span(), AuditEvent.action == PRUNE))
    found = (checkpoint for row in reversed(rows) if (checkpoint := read_checkpoint(row)))
    return next((one for one in found if trusted is None or one.key in trusted), None)


def verify_export(lines: Iterable[str], *expected: Place, trusted: frozenset[str] = frozenset()) -> Verdict:
    """Verify the lines of an export without the database; it may begin and end anywhere in the chain."""
    walk = _Walk(None, expected, trusted)
    walk.follow(parse_export(lines), None)
    return walk.verdict()


def _head(connection: Connection) -> Place | None:
    found = connection.exec_driver_sql("SELECT last_id, hash FROM audit_head WHERE chain = 1").first()
    return Place(*found) if found and isinstance(found[0], int) else None


def _up_to(head: Place | None, rows: Iterable[Row], walk: _Walk) -> Iterator[Row]:
    for row in rows:
        if head and row["id"] > head.id:
            walk.count += 1
            walk.report(row["id"], "inserted", BEHIND if row["hash"] else UNCHAINED)
        else:
            yield row


@dataclass(slots=True)
class _Walk:
    """The state of a verification. `tip` is the hash that the next event must name; None when it may name any."""

    tip: str | None
    expected: tuple[Place, ...]
    trusted: frozenset[str]
    count: int = 0
    first: Any = None
    last: Place = Place(0, NO_HASH)
    previous_tip: str | None = None  # before the last event
    breaks: list[tuple[int, Break]] = field(default_factory=list)  # each with the number of events up to it
    doubtful: list[tuple[int, Changed]] = field(default_factory=list)  # changed, unless a note explains it
    notes: list[Redaction] = field(default_factory=list)
    awaited: dict[Any, set[str]] = field(default_factory=dict)
    checkpoint: Checkpoint | None = None

    def __post_init__(self) -> None:
        for place in self.expected:
            if place != self.last:
                self.awaited.setdefault(place.id, set()).add(place.hash)

    def begin(self, connection: Connection) -> None:
        """Begin at the first event that is left, which must follow what the newest checkpoint states."""
        query = select(AuditEvent.id, AuditEvent.previous_hash).order_by(AuditEvent.id).limit(1)
        first = connection.execute(query).first()
        self.checkpoint = signed = newest_checkpoint(connection, self.trusted)
        if first is None:
            return
        if signed is None:
            self._begin_untrusted(first.id, first.previous_hash, newest_checkpoint(connection, None))
        elif first.id <= signed.through:  # not all is deleted yet
            self.tip = None
            self.awaited.setdefault(signed.through, set()).add(signed.hash)
        else:
            self.tip = signed.hash

    def _begin_untrusted(self, event: int, previous_hash: str, unknown: Checkpoint | None) -> None:
        """Begin at the first event, unless a checkpoint of another key explains why none is before it."""
        if unknown is not None and previous_hash == unknown.hash:
            self.tip = None
            self.report(event, "removed", UNKNOWN_KEY.format(unknown))

    def follow(self, rows: Iterable[Row], end: str | None) -> None:
        """Check each row against its neighbors; `end` is the hash that the head has for the last one."""
        remaining = iter(rows)
        row = next(remaining, None)
        while row is not None:
            following = next(remaining, None)
            self._check(row, following["previous_hash"] if following else end)
            row = following

    def check_head(self, head: Place | None) -> None:
        """Compare the last event with the head."""
        if head is None:
            self.report(None, "head", "the head of the chain is missing or does not name an event")
        elif head.id > self.last.id:
            self.report(head.id, "removed", f"the head names it, but the last event is {self.last.id}")
        elif self.tip is not None and head != Place(self.last.id, self.tip):
            self.report(None, "head", HEAD)

    def verdict(self) -> Verdict:
        """Return the result, with the expected places that were never found."""
        for event, hashes in self.awaited.items():
            self._report_missing(event, hashes)
        trusted = [note for note in self.notes if note.key in self.trusted]
        explained = {changed for note in trusted for changed in note.changed}
        unexplained = [(count, self._explain(changed)) for count, changed in self.doubtful if changed not in explained]
        breaks = sorted([*self.breaks, *unexplained], key=itemgetter(0))[:MAX_BREAKS]
        return Verdict(
            self.count, self.first, self.last, tuple(found for _, found in breaks), tuple(trusted), self.checkpoint
        )

    def report(self, event: Any, what: str, said: str) -> None:
        """Record a break, up to MAX_BREAKS."""
        if len(self.breaks) < MAX_BREAKS:
            self.breaks.append((self.count, Break(event, what, said)))

    def _report_missing(self, event: Any, hashes: set[str]) -> None:
        """Report an expected place that was not found, unless it is the one that the checkpoint states."""
        signed = self.checkpoint
        if signed is None or event > signed.through:
            self.report(event, "expected", "it was noted earlier and is missing")
        elif (event, hashes) != (signed.through, {signed.hash}):
            self.report(event, "expected", DELETED.format(signed))

    def _explain(self, changed: Changed) -> Break:
        """Return the break of a changed event: no note lists it, or only one with an untrusted key."""
        note = next((note for note in self.notes if changed in note.changed), None)
        return Break(changed[0], "changed", UNTRUSTED.format(note.event, note.key) if note else CHANGED)

    def _check(self, row: Row, following: str | None) -> None:
        self.count += 1
        self.first = row["id"] if self.first is None else self.first
        content, linked = _hash_of(row), self.tip in (None, row["previous_hash"])
        own = content == row["hash"]
        if not (own and linked) and self.tip is not None and following == self.tip != row["hash"]:
            self.report(row["id"], "inserted", INSERTED)
            return
        if not own and content and linked and following == row["hash"] and len(self.doubtful) < MAX_DOUBTFUL:
            self.doubtful.append((self.count, (row["id"], row["hash"], content)))
        elif not own:
            self.report(row["id"], "changed", CHANGED)
        elif not linked:
            self._report_missing_link(row)
        if own and (note := read_note(row)):
            self.notes.append(note)
        self._advance(row, row["hash"] if own or following == row["hash"] else None)

    def _report_missing_link(self, row: Row) -> None:
        if row["previous_hash"] == self.previous_tip:
            self.report(self.last.id, "inserted", INSERTED)
        else:
            self.report(row["id"], "removed", REMOVED)

    def _advance(self, row: Row, tip: str | None) -> None:
        self.previous_tip, self.tip, self.last = self.tip, tip, Place(row["id"], row["hash"])
        for expected in sorted(self.awaited.pop(row["id"], set()) - {row["hash"]}):
            self.report(row["id"], "expected", f"its hash was {expected} when it was noted")


def _hash_of(row: Mapping[str, Any]) -> str | None:
    try:
        return event_hash(row["previous_hash"], row)
    except (TypeError, ValueError, RecursionError):
        return None  # not an event that we wrote
