"""Do what is due from time to time, in a thread that no request waits for: each job on one node at a time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.database.leases import Lease

FIRST = 60.0  # seconds after the start: a server that is restarted all the time does its jobs too
LEASE = 120.0  # seconds that a lease lasts beyond the next run, and that a step of a job may take
PAUSE = 0.02  # seconds between two steps, for other writers
PATIENCE = 5.0  # seconds to wait for the end of a step, at a clean stop
log = logging.getLogger(__name__)
KeepGoing = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Job:
    """What is done every `interval` seconds. `run` calls `keep_going` between short steps, and ends on False."""

    name: str
    interval: float
    run: Callable[[KeepGoing], object]


class Jobs:
    """One thread per server process; the leases in the database decide which process does a job."""

    def __init__(self, lease: Lease, jobs: Sequence[Job], timer: Callable[[], float] = time.monotonic) -> None:
        """Take the jobs, whose names differ; the first run of each is soon after the start."""
        self._lease = lease
        self._timer = timer
        self._due = {job: timer() + min(FIRST, job.interval) for job in jobs}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Start the thread; call it once per process."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the current step, and leave the jobs to other nodes, at a clean stop of the process."""
        self._stopping.set()
        self._thread.join(PATIENCE)
        with suppress(SQLAlchemyError):
            self._lease.give_back()

    def run_due(self) -> None:
        """Run each job that is due, unless another process does; after a failure it is tried at its next time."""
        for job, due in self._due.items():
            if due <= self._timer() and not self._stopping.is_set():
                self._due[job] = self._timer() + job.interval
                self._run_job(job)

    def _run_job(self, job: Job) -> None:
        try:
            if self._lease.take(job.name, job.interval + LEASE):
                job.run(_Steps(self._lease, job, self._stopping))
        except Exception as error:
            log.warning("the job %s failed and is tried again later", job.name, exc_info=error)

    def _run(self) -> None:
        while not self._stopping.wait(max(min(self._due.values()) - self._timer(), PAUSE)):
            self.run_due()


class _Steps:
    """Between two steps of a job: a pause, and the lease extended while it lasts."""

    def __init__(self, lease: Lease, job: Job, stopping: threading.Event) -> None:
        self._lease = lease
        self._job = job
        self._stopping = stopping
        self._extended_at = time.monotonic()

    def __call__(self) -> bool:
        """Return whether the job goes on: not at a clean stop, nor when another process has taken it over."""
        if self._stopping.wait(PAUSE):
            return False
        if time.monotonic() - self._extended_at < LEASE / 4:
            return True
        self._extended_at = time.monotonic()
        return self._lease.take(self._job.name, self._job.interval + LEASE)
