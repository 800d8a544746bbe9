"""The time of the last use is stored without a write per use."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.actions.tokens.usage import INTERVAL, Usage
from app.models import ApiKey, PersonalAccessToken
from tests.core import START, Core

pytestmark = pytest.mark.both_databases

Table = type[PersonalAccessToken] | type[ApiKey]


def last_used(core: Core, table: Table, id: str) -> datetime | None:
    with core.store.reading() as session:
        return session.scalars(select(table.last_used_at).where(table.id == id)).one()


class Scene:
    """A PAT, and a count of the write transactions."""

    def __init__(self, core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
        self.core = core
        view, self.token = core.pat("alice", "orders:read")
        self.id = view.id
        self.writes = 0
        self.broken = False
        self.gate = threading.Event()
        self.gate.set()
        self.at_gate = threading.Event()
        self._transaction = core.store.transaction
        monkeypatch.setattr(core.store, "transaction", self._count_and_open)

    def use(self, usage: Usage | None = None) -> None:
        (usage or self.core.actions.usage).note(self.core.verified(self.token))

    @property
    def last_used_at(self) -> datetime | None:
        return last_used(self.core, PersonalAccessToken, self.id)

    @contextmanager
    def _count_and_open(self) -> Iterator[Any]:
        self.writes += 1
        self.at_gate.set()
        assert self.gate.wait(10)
        if self.broken:
            raise OperationalError("UPDATE", {}, Exception("the disk is full"))
        with self._transaction() as session:
            yield session


@pytest.fixture
def scene(core: Core, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(core, monkeypatch)


def test_a_use_is_written_with_the_next_batch_and_not_before(scene: Scene) -> None:
    for _ in range(100):
        scene.core.clock.advance(milliseconds=1)
        scene.use()
    assert scene.writes == 0 and scene.last_used_at is None
    scene.core.actions.usage.flush()
    assert scene.writes == 1 and scene.last_used_at == START + timedelta(milliseconds=100)


def test_many_credentials_are_written_in_one_transaction(scene: Scene) -> None:
    core = scene.core
    ids: list[tuple[Table, str]] = []
    for i in range(5):
        pat, token = core.pat("alice", "orders:read", name=f"n{i}")
        key, secret = core.key()
        core.actions.usage.note(core.verified(token))
        core.actions.usage.note(core.verified(secret))
        ids += [(PersonalAccessToken, pat.id), (ApiKey, key.id)]
    before = scene.writes
    core.actions.usage.flush()
    assert scene.writes - before == 1
    assert {last_used(core, table, id) for table, id in ids} == {START}


def test_without_uses_nothing_is_written(scene: Scene) -> None:
    scene.core.actions.usage.flush()
    writes = scene.writes
    scene.core.actions.usage.flush()
    assert scene.writes == writes


def test_an_exchanged_token_counts_as_its_source(scene: Scene) -> None:
    exchanged = scene.core.exchange(scene.token)
    scene.core.actions.usage.flush()
    scene.core.clock.advance(seconds=5)
    scene.core.actions.usage.note(scene.core.verified(exchanged))
    scene.core.actions.usage.flush()
    assert scene.last_used_at == START + timedelta(seconds=5)


def test_a_later_use_seen_by_another_node_is_kept(scene: Scene) -> None:
    scene.use()
    scene.core.clock.advance(seconds=9)
    other = Usage(scene.core.store, scene.core.actions.kinds, scene.core.clock)
    scene.use(other)
    other.stop()
    scene.core.actions.usage.flush()
    assert scene.last_used_at == START + timedelta(seconds=9)


def test_what_a_failing_database_did_not_take_waits(scene: Scene) -> None:
    scene.use()
    scene.broken = True
    scene.core.actions.usage.flush()
    assert scene.last_used_at is None
    scene.broken = False
    scene.core.actions.usage.flush()
    assert scene.last_used_at == START


def test_a_use_during_a_failure_is_not_overtaken_by_an_older_one(scene: Scene) -> None:
    scene.use()
    scene.broken = True
    scene.core.actions.usage.flush()
    scene.core.clock.advance(seconds=3)
    scene.use()
    scene.core.actions.usage.flush()
    scene.broken = False
    scene.core.actions.usage.flush()
    assert scene.last_used_at == START + timedelta(seconds=3)


def test_a_use_while_a_batch_fails_is_not_overtaken_by_the_batch(scene: Scene) -> None:
    scene.use()
    scene.gate.clear()
    writing = threading.Thread(target=scene.core.actions.usage.flush)
    writing.start()
    assert scene.at_gate.wait(10)
    scene.core.clock.advance(seconds=3)
    scene.use()
    scene.broken = True
    scene.gate.set()
    writing.join(10)
    scene.broken = False
    scene.core.actions.usage.flush()
    assert scene.last_used_at == START + timedelta(seconds=3)


def test_a_clean_stop_writes_the_rest(scene: Scene) -> None:
    usage = Usage(scene.core.store, scene.core.actions.kinds, scene.core.clock)
    scene.use(usage)
    usage.stop()
    assert scene.last_used_at == START
    usage.stop()


def test_a_clean_stop_waits_for_a_batch_that_is_being_written(scene: Scene) -> None:
    usage = Usage(scene.core.store, scene.core.actions.kinds, scene.core.clock)
    scene.use(usage)
    scene.gate.clear()
    writing = threading.Thread(target=usage.flush)
    writing.start()
    assert scene.at_gate.wait(10)
    stopping = threading.Thread(target=usage.stop)
    stopping.start()
    stopping.join(0.1)
    assert stopping.is_alive()
    scene.gate.set()
    stopping.join(10)
    assert scene.last_used_at == START
    writing.join(10)


def test_the_thread_writes_by_itself(scene: Scene) -> None:
    usage = Usage(scene.core.store, scene.core.actions.kinds, scene.core.clock, interval=0.01)
    scene.use(usage)
    assert scene.at_gate.wait(10)
    usage.stop()
    assert scene.last_used_at == START


def test_the_thread_outlives_a_failing_database(scene: Scene) -> None:
    scene.broken = True
    usage = Usage(scene.core.store, scene.core.actions.kinds, scene.core.clock, interval=0.01)
    scene.use(usage)
    assert scene.at_gate.wait(10)
    scene.broken = False
    scene.at_gate.clear()
    assert scene.at_gate.wait(10)
    usage.stop()
    assert scene.last_used_at == START


def test_a_use_waits_less_than_a_minute() -> None:
    assert INTERVAL < 60


def test_a_credential_deleted_meanwhile_hinders_no_other(scene: Scene) -> None:
    core = scene.core
    core.user("bob", "clerk")
    _, token = core.pat("bob", "orders:read")
    core.actions.usage.note(core.verified(token))
    scene.use()
    core.delete("bob")
    core.actions.usage.flush()
    assert scene.last_used_at == START
