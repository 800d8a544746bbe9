"""How large a status list is, and what it costs to build, for tokens of so many decisions; some of them invalid."""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from app.actions.status.lists import PublishedList
from app.cli.actions import open_actions
from app.compose import Actions
from app.crypto.status_list import StatusReference, new_jti
from app.database.types import Base
from app.models import Authority, StatusEntry, StatusList
from app.settings.load import load_settings
from app.settings.settings import Settings
from tests.benchmark import bulk, machine
from tests.benchmark.bulk import Row
from tests.benchmark.databases import Database
from tests.benchmark.dataset import ISSUER, DataSet
from tests.benchmark.measure import Json
from tests.benchmark.organisation import ORDERS

SHARES = (0.0, 0.01, 0.1)  # of the indexes that are invalid
NUMBER = 0xBE  # of the list
BUILDS = 9  # of which the median counts
BATCH = 5_000  # indexes that one statement ends
PROMISED = 0.01  # the share that the targets are for
LARGEST, SLOWEST = 20_000, 10.0  # bytes, ms


@dataclass(frozen=True, slots=True)
class Built:
    """A list with a share of invalid indexes: its size, and the processor time of each way to get it.

    `cpu_ms` is spent by a process that has built none yet, and compiles the statements too; `changed_cpu_ms` after one
    further change, with `database_cpu_ms` of the database; and `unchanged_cpu_us` where nothing has changed.
    """

    invalid: int
    bytes: int
    cpu_ms: float
    changed_cpu_ms: float
    unchanged_cpu_us: float
    database_cpu_ms: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """The lists of one run, each with more invalid indexes than the one before."""

    decisions: int
    lists: Sequence[Built]
    settings: Json

    @property
    def failed(self) -> bool:
        """Return whether a list with the promised share of invalid indexes is too large; its time is not judged."""
        return any(one.bytes >= LARGEST for one in self.lists if one.invalid <= PROMISED * self.decisions)

    def as_json(self) -> Json:
        """Return the whole result."""
        return {"decisions": self.decisions, "settings": self.settings, "lists": [asdict(one) for one in self.lists]}

    def table(self) -> str:
        """Return a Markdown table with a line a list."""
        head = ["invalid", "bytes", "CPU ms, first", "after a change", "unchanged, CPU µs", "database CPU ms"]
        lines = [head, ["---:"] * len(head), *map(_line, self.lists)]
        said = (
            f"A list of {self.decisions:,} decisions, {self.settings['database']}: with {PROMISED:.0%} invalid, less "
        )
        said += f"than {LARGEST:,} bytes and {SLOWEST:g} ms are promised."
        return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", said]) + "\n"


def measure_sizes(
    data_set: DataSet, instance: Path, decisions: int, settings: Json, say: Callable[[str], None]
) -> Sizes:
    """Make a list of so many indexes in a copy of a data set, invalidate more and more, and build it each time."""
    url, found = data_set.copy(instance), []
    loaded = load_settings(instance_dir=instance, database_url=url or None, issuer=ISSUER, log_level="error")
    actions = open_actions(loaded)
    try:
        indexes = _Indexes(actions, decisions)
        for share in SHARES:
            say(f"a status list of {decisions:,} indexes, {share:.0%} of them invalid")
            indexes.end(round(share * decisions))
            found.append(_measure(loaded, actions, indexes, data_set.database))
    finally:
        actions.store.dispose()
    return Sizes(decisions, found, settings)


class _Indexes:
    """The indexes of one list, which end in a random order; `ended` counts the ended ones."""

    def __init__(self, actions: Actions, decisions: int) -> None:
        self._actions = actions
        self._order = random.Random(decisions).sample(range(decisions), decisions)
        self.ended = 0
        self._fill(decisions)

    def end(self, number: int) -> None:
        """End further indexes until so many are invalid, as one change of rights."""
        at = self._actions.clock()
        with self._actions.store.transaction() as session:
            for start in range(self.ended, number, BATCH):
                some = self._order[start : min(start + BATCH, number)]
                chosen = update(StatusEntry).where(StatusEntry.number == NUMBER, StatusEntry.idx.in_(some))
                session.execute(chosen.values(valid_until=at, fingerprint=None))
            session.execute(update(Authority).values(epoch=Authority.epoch + 1))
        self.ended = number

    def _fill(self, decisions: int) -> None:
        at = self._actions.clock()
        made = {"number": NUMBER, "ends_at": at + timedelta(days=1), "used": decisions}
        engine = self._actions.store.engine
        bulk.insert(engine, Base.metadata.tables[StatusList.__tablename__], [made])
        bulk.insert(engine, Base.metadata.tables[StatusEntry.__tablename__], _entries(decisions, at))


def _entries(decisions: int, at: datetime) -> Iterator[Row]:
    """Yield an index for each decision, as tokens of as many clients leave them."""
    for idx in range(decisions):
        reference = StatusReference(f"{ISSUER}/status-lists/{NUMBER:05x}", NUMBER, idx)
        claims = {"iss": ISSUER, "sub": f"client-{idx}", "aud": ORDERS, "scope": "orders:read orders:write"}
        yield {"number": NUMBER, "idx": idx, "fingerprint": f"{idx:064x}", "kind": "client_credentials", "kid": "bench",
               "owner": "bench", "jti": new_jti("m2m", reference), "claims": json.dumps(claims),
               "created_at": at}  # fmt: skip


def _measure(loaded: Settings, actions: Actions, indexes: _Indexes, database: Database) -> Built:
    """Build the list as processes that have not built it yet, then after further changes, and read it unchanged."""
    invalid, new = indexes.ended, [_build_first(loaded) for _ in range(BUILDS)]
    size, changed, in_database = len(_get(actions).token), list[float](), 0.0
    for _ in range(BUILDS):
        indexes.end(indexes.ended + 1)
        before = machine.cpu_seconds(database.processes())
        changed.append(_spend(lambda: _get(actions)))
        in_database += machine.cpu_seconds(database.processes()) - before
    unchanged = _spend(lambda: [_get(actions) for _ in range(1000)]) / 1000
    medians = statistics.median(new) * 1e3, statistics.median(changed) * 1e3
    return Built(invalid, size, *medians, unchanged * 1e6, in_database / BUILDS * 1e3)


def _build_first(loaded: Settings) -> float:
    """Return the processor seconds that a list costs where it was not built yet."""
    actions = open_actions(loaded)
    try:
        actions.epoch()  # connects
        return _spend(lambda: _get(actions))
    finally:
        actions.store.dispose()


def _get(actions: Actions) -> PublishedList:
    published = actions.status_lists.get(NUMBER)
    if published is None:
        raise RuntimeError("the status list of the benchmark is gone")
    return published


def _spend(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def _line(one: Built) -> list[str]:
    times = (
        f"{one.cpu_ms:.1f}",
        f"{one.changed_cpu_ms:.1f}",
        f"{one.unchanged_cpu_us:.0f}",
        f"{one.database_cpu_ms:.1f}",
    )
    return [f"{one.invalid:,}", f"{one.bytes:,}", *times]
