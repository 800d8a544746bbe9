"""Jobs run when they are due, on one node at a time, and end between two steps."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from app.database.leases import Lease
from app.maintenance.jobs import FIRST, LEASE, Job, Jobs, KeepGoing
from tests.core import Core

pytestmark = pytest.mark.both_databases

HOUR = 3_600.0


@dataclass
class Node:
    """A process whose timer follows the clock of the core."""

    core: Core
    runs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.jobs = self.with_jobs(
            Job("first", HOUR, self._note("first")), Job("second", 2 * HOUR, self._note("second"))
        )

    def with_jobs(self, *jobs: Job) -> Jobs:
        clock = self.core.clock
        return Jobs(Lease(self.core.store, clock), jobs, lambda: clock().timestamp())

    def _note(self, name: str) -> Callable[[KeepGoing], None]:
        return lambda keep_going: self.runs.append(name)


def test_each_job_runs_soon_after_the_start_and_then_at_its_interval(core: Core) -> None:
    node = Node(core)
    node.jobs.run_due()
    assert node.runs == []
    core.clock.advance(seconds=FIRST)
    node.jobs.run_due()
    node.jobs.run_due()
    assert node.runs == ["first", "second"]
    core.clock.advance(seconds=HOUR)
    node.jobs.run_due()
    assert node.runs == ["first", "second", "first"]


@pytest.mark.contract("what grows by itself has a bound, and one node at a time deletes what is over")
def test_one_node_does_a_job_and_another_one_after_it_died(core: Core) -> None:
    first, second = Node(core), Node(core)
    for _ in range(3):
        core.clock.advance(seconds=HOUR)
        first.jobs.run_due()
        second.jobs.run_due()
    assert len(first.runs) == 5 and second.runs == []
    core.clock.advance(seconds=HOUR)  # the first node has died
    second.jobs.run_due()
    assert second.runs == []
    core.clock.advance(seconds=HOUR + LEASE)
    second.jobs.run_due()
    assert "first" in second.runs


def test_a_job_that_fails_is_logged_and_stops_no_other(core: Core, caplog: pytest.LogCaptureFixture) -> None:
    node = Node(core)

    def fail(_keep_going: KeepGoing) -> None:
        raise RuntimeError("broken")

    jobs = node.with_jobs(Job("broken", HOUR, fail), Job("good", HOUR, lambda _: node.runs.append("good")))
    for times in (1, 2):
        core.clock.advance(seconds=HOUR)
        jobs.run_due()
        assert node.runs == ["good"] * times
    assert "the job broken failed and is tried again later" in caplog.text


def test_a_clean_stop_ends_a_job_between_two_steps_and_leaves_it_to_others(core: Core) -> None:
    started = threading.Event()
    steps: list[int] = []

    def work(keep_going: KeepGoing) -> None:
        while keep_going():
            steps.append(1)
            started.set()

    jobs = Jobs(Lease(core.store, core.clock), [Job("long", 0.001, work)])
    jobs.start()
    assert started.wait(20)
    jobs.stop()
    done = len(steps)
    assert Lease(core.store, core.clock).take("long", HOUR)
    assert len(steps) == done
