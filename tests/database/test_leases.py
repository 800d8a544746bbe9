"""Leases: one process at a time, another one after the end of the lease, and never two."""

import multiprocessing
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from app.database.leases import Lease
from app.database.store import Store
from app.database.types import Base
from tests.databases import database_in

pytestmark = pytest.mark.both_databases

START = datetime(2030, 1, 1, tzinfo=UTC)
RIVALS, SECONDS = 2, 60


class Node:
    """A process with a clock of its own."""

    def __init__(self, url: str) -> None:
        self.now = START
        self.store = Store(create_engine(url))
        self.lease = Lease(self.store, lambda: self.now)


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = database_in(tmp_path).url
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    return url


@pytest.fixture
def nodes(url: str) -> Iterator[tuple[Node, Node]]:
    made = Node(url), Node(url)
    yield made
    for node in made:
        node.store.dispose()


def test_a_job_has_one_holder_who_may_extend_the_lease(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    assert first.lease.take("prune", SECONDS) and first.lease.take("prune", SECONDS)
    assert not second.lease.take("prune", SECONDS)
    assert second.lease.take("another", SECONDS)


def test_a_job_of_a_node_that_died_is_free_after_the_lease(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    assert first.lease.take("prune", SECONDS)
    second.now += timedelta(seconds=SECONDS, microseconds=-1)
    assert not second.lease.take("prune", SECONDS)
    second.now += timedelta(microseconds=1)
    assert second.lease.take("prune", SECONDS)
    assert not first.lease.take("prune", SECONDS)


def test_a_clean_stop_gives_the_jobs_back(nodes: tuple[Node, Node]) -> None:
    first, second = nodes
    assert first.lease.take("prune", SECONDS) and second.lease.take("another", SECONDS)
    first.lease.give_back()
    assert second.lease.take("prune", SECONDS)
    assert not first.lease.take("another", SECONDS)


@pytest.mark.contract("what grows by itself has a bound, and one node at a time deletes what is over")
def test_of_two_processes_one_gets_the_lease_and_the_other_one_after_its_end(url: str) -> None:
    with multiprocessing.get_context("forkserver").Pool(RIVALS, maxtasksperchild=1) as rivals:
        for later in (0, SECONDS):  # the holder of the first round has ended by then, without giving it back
            assert sorted(rivals.map(take_at, [(url, later)] * RIVALS, chunksize=1)) == [False, True]


def take_at(given: tuple[str, int]) -> bool:
    url, later = given
    node = Node(url)
    node.now += timedelta(seconds=later)
    try:
        return node.lease.take("prune", SECONDS)
    finally:
        node.store.dispose()
