"""Count uses and refusals, and record the last use, without a write per use: noted in memory, written in batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from typing import Any

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.actions.tokens.refusals import Explanation, Presented
from app.actions.tokens.usage_rows import Count, add_counts, start_of_hour
from app.clock import Clock
from app.credentials.kind import Address, Claims, Counted, CredentialKind
from app.database.statements import batches
from app.database.store import Store
from app.database.types import EPOCH
from app.models import Resource
from app.models.resource import LONGEST_IDENTIFIER
from app.models.usage import SUCCESS
from app.settings.addresses import network_of

INTERVAL = 20.0  # seconds; the contract allows a minute
MOST_NOTED = 8_000  # kinds of use; as many are written at once, before the interval is over
MOST_KEPT = 100_000  # kinds of use that wait while the database fails; further ones are not counted
HOUR = timedelta(hours=1)
FORWARD_AUTH, TOKEN_ENDPOINT, MANAGEMENT_API = "forward-auth", "token-endpoint", "management-api"  # as last_server

Key = tuple[str, str, str, str]  # what is used (the two parts of `Counted`), the resource, and what came of it
Origin = tuple[str, Callable[[Any, Any], Address | None], Any, Any]  # the server, and how to get the user's address


def origin_of(server: str, address: Address | None) -> Origin:
    """Return where a use comes from: the server that reported it, and the end user's address."""
    return server, _take_address, address, None


def _take_address(address: Address | None, _: None) -> Address | None:
    return address


NOWHERE = origin_of("", None)


class Tally:
    """How often the same use was made since the last batch, when last, and from where."""

    __slots__ = ("at", "origin", "uses")

    def __init__(self) -> None:
        self.uses = 0
        self.at = EPOCH
        self.origin = NOWHERE


class Use:
    """What a use counts as, with the tally that it was added to last: who keeps it, saves the search for the tally."""

    __slots__ = ("batch", "key", "tally")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.batch: object = None
        self.tally = Tally()


def use_of(claims: Claims) -> Use | None:
    """Return what a use of these claims counts as; None for a kind that is not counted."""
    return None if claims.counted is None else use_at(claims.counted, claims.audience)


def use_at(counted: Counted, audience: Sequence[str]) -> Use:
    """Return what a use counts as, with the resource if it is a single one."""
    return Use((*counted, audience[0] or "" if len(audience) == 1 else "", SUCCESS))


Tallies = dict[Key, Tally]
Noted = tuple[datetime, Key, Tally]  # in which hour


class Usage:
    """Collect uses; a thread of its own writes them, and a clean stop writes the rest.

    What is written is added to the rows in the database, so that the counts of several processes are exact. A batch
    that fails is kept for the next time; a process that is killed loses at most the uses of one interval.
    """

    def __init__(
        self,
        store: Store,
        kinds: Sequence[CredentialKind],
        clock: Clock,
        interval: float = INTERVAL,
        *,
        full_addresses: bool = False,
    ) -> None:
        """`interval` is the number of seconds that a use may wait to be written."""
        self._store = store
        self._tables: dict[str, Any] = {kind.counted_as: kind.used_rows for kind in kinds if kind.used_rows is not None}
        self._clock = clock
        self._interval = interval
        self._full_addresses = full_addresses
        self._hours: dict[datetime, Tallies] = {}
        self._tallies: Tallies = {}  # of the hour that ends at `_until`
        self._until = EPOCH
        self._batch = object()  # another one with each batch and hour
        self._kept = 0
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._stopping = threading.Event()
        self._due = threading.Event()  # to stop, or to write before the interval is over
        self._writer: threading.Thread | None = None

    def note(self, claims: Claims, origin: Origin = NOWHERE) -> None:
        """Remember that this credential was used now; an exchanged token counts as its source."""
        use = use_of(claims)
        if use is not None:
            self.note_use(use, self._clock(), origin)

    def note_issued(self, counted: Counted, audience: Sequence[str], address: Address | None) -> None:
        """Remember that the token endpoint has issued a token to this client or grant."""
        self.note_use(use_at(counted, audience), self._clock(), origin_of(TOKEN_ENDPOINT, address))

    def note_use(self, use: Use, at: datetime, origin: Origin) -> None:
        """Remember a use that `use_of` returned. Each introspection calls this: it must stay as cheap as it is."""
        with self._lock:
            if at >= self._until:
                self._turn_to(at)
            if use.batch is not self._batch:
                use.tally, use.batch = self._tallies.get(use.key) or self._begin(use.key), self._batch
            tally = use.tally
            tally.uses += 1
            tally.at = at
            tally.origin = origin

    def count_refusal(self, presented: Presented, explanation: Explanation) -> None:
        """Count a refusal of a known credential, with the reason as its outcome; of an unknown one, nothing."""
        found = explanation.credential
        if found is None or found.counted is None:
            return
        resource = presented.resource if _is_storable(presented.resource) else ""
        use = Use((*found.counted, resource, explanation.reason.value))
        self.note_use(
            use, self._clock(), origin_of(presented.caller or presented.server or FORWARD_AUTH, presented.address)
        )

    def flush(self) -> None:
        """Write what was noted; what cannot be written now is kept for the next time."""
        with self._writing:  # a stop waits for the batch that is under way
            noted = self._take()
            try:
                for batch in batches(noted[:]):
                    self._write(batch)
                    del noted[: len(batch)]
            except SQLAlchemyError:
                self._put_back(noted)

    def stop(self) -> None:
        """Write the rest and end the thread; for a clean stop of the process."""
        self._stopping.set()
        self._due.set()
        self.flush()

    def _turn_to(self, at: datetime) -> None:
        hour = start_of_hour(at)
        self._until, self._batch = hour + HOUR, object()
        self._tallies = self._hours.setdefault(hour, {})

    def _begin(self, key: Key) -> Tally:
        """Begin a tally, and start the thread with the first one."""
        tally = Tally()
        if self._kept >= MOST_KEPT:
            return tally
        self._tallies[key] = tally
        self._kept += 1
        if self._kept == MOST_NOTED:
            self._due.set()
        if self._writer is None and not self._stopping.is_set():
            self._writer = threading.Thread(target=self._write_on, name="usage", daemon=True)
            self._writer.start()
        return tally

    def _take(self) -> list[Noted]:
        """Return what was noted, in an order in which nodes do not wait for one another's rows, and begin again."""
        with self._lock:
            hours, self._hours, self._kept = self._hours, {}, 0
            self._until = EPOCH  # the next use begins a batch
        noted = [(hour, key, tally) for hour, tallies in hours.items() for key, tally in tallies.items()]
        return sorted(noted, key=itemgetter(1, 0))

    def _put_back(self, noted: Iterable[Noted]) -> None:
        with self._lock:
            for hour, key, tally in noted:
                later = self._hours.setdefault(hour, {}).setdefault(key, tally)
                if later is tally:
                    self._kept += 1
                else:
                    later.uses += tally.uses

    def _write_on(self) -> None:
        while not self._stopping.is_set():
            self._due.wait(self._interval)
            self._due.clear()
            self.flush()

    def _write(self, batch: Sequence[Noted]) -> None:
        with self._store.transaction() as session:
            self._store_last_uses(session, batch)
            known = _known_resources(session, batch)
            add_counts(session, (self._count(noted, known) for noted in batch))

    def _store_last_uses(self, session: Session, batch: Sequence[Noted]) -> None:
        for target, table in sorted(self._tables.items()):
            last: dict[str, datetime] = {}
            for _, key, tally in batch:
                if key[0] == target and key[3] == SUCCESS:
                    last[key[1]] = max(tally.at, last.get(key[1], EPOCH))
            later = or_(table.last_used_at.is_(None), table.last_used_at < bindparam("at"))
            statement = update(table.__table__).where(table.id == bindparam("row"), later)
            if last:
                values = [{"row": row_id, "at": at} for row_id, at in sorted(last.items())]
                session.connection().execute(statement.values(last_used_at=bindparam("at")), values)

    def _count(self, noted: Noted, known: set[str]) -> Count:
        hour, (target, credential_id, resource, outcome), tally = noted
        server, read_address, *place = tally.origin
        address = read_address(*place)
        return Count(
            credential_id=credential_id,
            starts_at=hour,
            outcome=outcome,
            resource=resource if outcome == SUCCESS or resource in known else "",
            target=target,
            uses=tally.uses,
            last_used_at=tally.at,
            last_address=None if address is None else str(address if self._full_addresses else network_of(address)),
            last_server=server or None,
        )


def _known_resources(session: Session, batch: Sequence[Noted]) -> set[str]:
    """Return which of the resources that refused requests named there are: strangers choose what they name."""
    named = sorted({key[2] for _, key, _ in batch if key[3] != SUCCESS and key[2]})
    query = select(Resource.identifier).where(Resource.identifier.in_(named))
    return set(session.scalars(query)) if named else set()


def _is_storable(resource: str) -> bool:
    return len(resource) <= LONGEST_IDENTIFIER and resource.isprintable()
