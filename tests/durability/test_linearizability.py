"""Several nodes answer as one server would, whatever befalls them: no answer of any node is older than a change that
another one acknowledged."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from tests.api import Admin
from tests.durability.history import Heard, violations
from tests.durability.nodes import Nodes
from tests.durability.workload import Round, clients
from tests.durability.writers import MachineWriter, UserWriter
from tests.thorough import either

CLIENTS = 8
ENOUGH = 30  # answers of either sort in a round
Fault = Callable[[Nodes, Round, Random], None]


@pytest.fixture(scope="module", params=[2, 4], ids=["two", "four"])
def nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    running = Nodes(tmp_path_factory.mktemp("nodes"), request.param)
    yield running
    running.stop()


def nothing(nodes: Nodes, during: Round, chance: Random) -> None:
    """Do nothing."""


def a_node_is_killed(nodes: Nodes, during: Round, chance: Random) -> None:
    number = chance.randrange(len(nodes.servers))
    nodes.kill(number)
    nodes.restart(number)


def a_node_is_paused(nodes: Nodes, during: Round, chance: Random) -> None:
    """A node is stopped while others change what it has cached."""
    number, before = chance.randrange(len(nodes.servers)), len(during.changes)
    nodes.pause(number)
    until(lambda: len(during.changes) >= before + 6, 1.0)
    nodes.resume(number)


def postgresql_is_restarted(nodes: Nodes, during: Round, chance: Random) -> None:
    nodes.restart_postgresql()


def redis_is_stopped(nodes: Nodes, during: Round, chance: Random) -> None:
    before = len(during.answers)
    nodes.stop_redis()
    until(lambda: len(during.answers) >= before + 300, 1.0)
    nodes.start_redis()


FAULTS: list[Fault] = [nothing, a_node_is_killed, a_node_is_paused, postgresql_is_restarted, redis_is_stopped]
ROUNDS = either(len(FAULTS), 2 * len(FAULTS))  # with two nodes, and as many with four


def until(true: Callable[[], bool], seconds: float) -> None:
    """Wait for it, for so long at the most."""
    deadline, patience = time.monotonic() + seconds, threading.Event()
    while not true() and time.monotonic() < deadline:
        patience.wait(0.01)


def played(nodes: Nodes, fault: Fault, seed: str) -> Round:
    """Play one round; the fault happens once the clients are at work, in this thread: what it starts lives with it."""
    admin = Admin(nodes.servers[0])
    during = Round(admin, nodes.targets, seed)
    admin.http.close()
    with clients() as https, ThreadPoolExecutor(CLIENTS + 2) as threads:
        hands = [threads.submit(hand(during, next(https)).work) for hand in (UserWriter, MachineWriter)]
        asking = [threads.submit(during.ask_on, number, next(https)) for number in range(CLIENTS)]
        try:
            until(lambda: len(during.answers) >= 100, 2.0)
            fault(nodes, during, Random(seed))
            during.calm.set()
            for hand in hands:
                hand.result()
        finally:
            for event in (during.calm, during.over):
                event.set()
        for one in asking:
            one.result()
        during.ask_everywhere(next(https))
    return during


@pytest.mark.contract(
    "a change takes effect at the next introspection, on every node", "revocation: effective on every node at once"
)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_all_nodes_answer_as_one(nodes: Nodes, number: int) -> None:
    seed, fault = f"{len(nodes.servers)} nodes, round {number}", FAULTS[number % len(FAULTS)]
    during = played(nodes, fault, seed)
    told = f"{seed}, {fault.__name__}: {during.summary()}"
    print(told)
    assert not during.strange, (told, during.strange)
    assert during.lost or not during.refused, (told, during.refused)
    assert violations(during.history, during.credentials) == [], told
    live = sum(answer.heard is Heard.LIVE for answer in during.answers)
    assert live >= ENOUGH and len(during.answers) - live >= ENOUGH, told


@pytest.mark.contract(
    "a change takes effect at the next introspection, on every node", "revocation: effective on every node at once"
)
def test_without_the_invalidation_they_do_not(tmp_path_factory: pytest.TempPathFactory) -> None:
    nodes = Nodes(tmp_path_factory.mktemp("broken"), 2)
    try:
        nodes.watched("%", by=False)
        during = played(nodes, nothing, "without the epoch")
    finally:
        nodes.stop()
    stale = [line for line in violations(during.history, during.credentials) if "is active," in line]
    assert len(stale) >= 10, during.summary()
