"""Follow the chain of the audit events, in the database or in an export, and say where it is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection

from app.actions.audit.chain import event_hash
from app.actions.audit.redaction import Changed, Redaction, read_note
from app.actions.audit.rows import Row, exported, snapshot, stored
from app.database.store import Store
from app.models.audit_event import NO_HASH

MOST_TOLD = 20  # breaks; only the first is sure: what follows it may come of it
MOST_DOUBTFUL = 100_000  # changed events that wait for a note; more of them are told as changed
CHANGED = "its fields do not give its hash"
UNTRUSTED = "redacted, as event {} notes, which is signed with the key {}: where that is the server's, name it"
INSERTED = "the chain goes past it"
REMOVED = "the event that it follows is not there: removed, or replaced"
BEHIND = "it stands behind the head of the chain, or the head was moved back"
UNCHAINED = "it has no hash; when a node of the version before wrote it, the next start chains it"
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
    """Where the chain is broken: the event's id (None: the head), what was done, and how it shows."""

    event: Any
    what: str  # changed, inserted, removed, head, or expected
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many events there are, the first one's id, where they end, and the first breaks of their chain."""

    events: int
    first: Any
    last: Place
    breaks: tuple[Break, ...]
    redactions: tuple[Redaction, ...] = ()  # that account for events whose fields do not give their hash

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.breaks


class VerifyAudit:
    """Verify the whole chain, on one snapshot of the database: the server may go on writing."""

    def __init__(self, store: Store, trusted: frozenset[str] = frozenset()) -> None:
        """`trusted` are the public keys whose notes of a redaction count."""
        self._store = store
        self._trusted = trusted

    def __call__(self, *expected: Place) -> Verdict:
        """Give the verdict; `expected` are places that were noted before, which must still be there."""
        with snapshot(self._store) as connection:
            head = _head(connection)
            walk = _Walk(NO_HASH, expected, self._trusted)
            walk.along(_up_to(head, stored(connection), walk), head.hash if head else None)
            walk.end_at(head)
        return walk.verdict()


def verify_export(lines: Iterable[str], *expected: Place, trusted: frozenset[str] = frozenset()) -> Verdict:
    """Verify the lines of an export without the database; it may begin and end anywhere in the chain."""
    walk = _Walk(None, expected, trusted)
    walk.along(exported(lines), None)
    return walk.verdict()


def _head(connection: Connection) -> Place | None:
    found = connection.exec_driver_sql("SELECT last_id, hash FROM audit_head WHERE chain = 1").first()
    return Place(*found) if found and isinstance(found[0], int) else None


def _up_to(head: Place | None, rows: Iterable[Row], walk: _Walk) -> Iterator[Row]:
    for row in rows:
        if head and row["id"] > head.id:
            walk.count += 1
            walk.tell(row["id"], "inserted", BEHIND if row["hash"] else UNCHAINED)
        else:
            yield row


@dataclass(slots=True)
class _Walk:
    """How far one has come. `tip` is the hash that the next event must name; None when it may name any."""

    tip: str | None
    expected: tuple[Place, ...]
    trusted: frozenset[str]
    count: int = 0
    first: Any = None
    last: Place = Place(0, NO_HASH)
    before: str | None = None  # the tip that there was before the last event
    breaks: list[tuple[int, Break]] = field(default_factory=list)  # each with the count of events until then
    doubtful: list[tuple[int, Changed]] = field(default_factory=list)  # changed, unless a note accounts for it
    notes: list[Redaction] = field(default_factory=list)
    noted: dict[Any, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place in self.expected:
            if place != self.last:
                self.noted.setdefault(place.id, set()).add(place.hash)

    def along(self, rows: Iterable[Row], end: str | None) -> None:
        """Go along all of them; `end` is the hash of the last one, as the head says."""
        ahead = iter(rows)
        row = next(ahead, None)
        while row is not None:
            following = next(ahead, None)
            self._step(row, following["previous_hash"] if following else end)
            row = following

    def end_at(self, head: Place | None) -> None:
        """Compare where the events end with what the head says."""
        if head is None:
            self.tell(None, "head", "the head of the chain is gone or names no event")
        elif head.id > self.last.id:
            self.tell(head.id, "removed", f"the head names it, and the events end at {self.last.id}")
        elif self.tip is not None and head != Place(self.last.id, self.tip):
            self.tell(None, "head", HEAD)

    def verdict(self) -> Verdict:
        """Say what was found, and which of the noted places never came."""
        for id in self.noted:
            self.tell(id, "expected", "it was noted before, and is not there")
        good = [note for note in self.notes if note.key in self.trusted]
        accounted = {changed for note in good for changed in note.changed}
        unaccounted = [(count, self._explain(changed)) for count, changed in self.doubtful if changed not in accounted]
        breaks = sorted([*self.breaks, *unaccounted], key=itemgetter(0))[:MOST_TOLD]
        return Verdict(self.count, self.first, self.last, tuple(found for _, found in breaks), tuple(good))

    def tell(self, event: Any, what: str, said: str) -> None:
        """Keep a break, if there are not many already."""
        if len(self.breaks) < MOST_TOLD:
            self.breaks.append((self.count, Break(event, what, said)))

    def _explain(self, changed: Changed) -> Break:
        """Return what is wrong with a changed event: no note names it, or one whose key nobody vouches for."""
        note = next((note for note in self.notes if changed in note.changed), None)
        return Break(changed[0], "changed", UNTRUSTED.format(note.event, note.key) if note else CHANGED)

    def _step(self, row: Row, following: str | None) -> None:
        self.count += 1
        self.first = row["id"] if self.first is None else self.first
        content, linked = _hash_of(row), self.tip in (None, row["previous_hash"])
        own = content == row["hash"]
        if not (own and linked) and self.tip is not None and following == self.tip != row["hash"]:
            self.tell(row["id"], "inserted", INSERTED)
            return
        if not own and content and linked and following == row["hash"] and len(self.doubtful) < MOST_DOUBTFUL:
            self.doubtful.append((self.count, (row["id"], row["hash"], content)))
        elif not own:
            self.tell(row["id"], "changed", CHANGED)
        elif not linked:
            self._tell_of_missing_link(row)
        if own and (note := read_note(row)):
            self.notes.append(note)
        self._go_on(row, row["hash"] if own or following == row["hash"] else None)

    def _tell_of_missing_link(self, row: Row) -> None:
        if row["previous_hash"] == self.before:
            self.tell(self.last.id, "inserted", INSERTED)
        else:
            self.tell(row["id"], "removed", REMOVED)

    def _go_on(self, row: Row, tip: str | None) -> None:
        self.before, self.tip, self.last = self.tip, tip, Place(row["id"], row["hash"])
        for noted in sorted(self.noted.pop(row["id"], set()) - {row["hash"]}):
            self.tell(row["id"], "expected", f"its hash was {noted} when it was noted")


def _hash_of(row: Mapping[str, Any]) -> str | None:
    try:
        return event_hash(row["previous_hash"], row)
    except (TypeError, ValueError, RecursionError):
        return None  # no event is like that
