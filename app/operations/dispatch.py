"""Choose the thread that answers: few of the server's for the fast lane's requests, a pool of our own for the others.

The HTTP server starts a thread for each request that finds none free, because each may wait for a body. If all of them
worked, they would contend for the interpreter's lock. So a thread with a request of the fast lane takes one of few
seats, or queues the request for a thread that has one, and returns to the server.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from app.database.engines import THREADS
from app.database.worker_slots import use_worker_slot
from app.operations import logs
from app.operations.admission import UNREAD, Admission, Refusal
from app.operations.paths import HEALTHZ
from app.operations.wsgi import closing, read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 20.0  # seconds that a request may wait for a thread
MOST_QUEUED = 1_024  # requests that wait for a thread that works with Flask
BRIEF = 0.000_5  # seconds: the longest answer of the fast lane that does not wait for the database
SMOOTHING = 0.05  # of the moving average of the durations
CHECK_INTERVAL = 1.0  # seconds between two checks of the queues
BUSY: Refusal = ("503 Service Unavailable", b"All worker threads are busy. Try again.\n")
ENVIRON = {
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SCRIPT_NAME": "",
    "SERVER_SOFTWARE": "Latchkey",
    "wsgi.errors": sys.stderr,
    "wsgi.input_terminated": True,
    "wsgi.multiprocess": False,
    "wsgi.multithread": True,
    "wsgi.run_once": False,
    "wsgi.version": (1, 0),
}  # common to all requests (PEP 3333)


class Reply(Protocol):
    """The server's side of a request: takes the answer once, from any thread."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the answer."""


class QuickAnswers(Protocol):
    """An application that answers some requests quickly: the fast lane."""

    def may_take(self, environ: WSGIEnvironment) -> bool:
        """Return whether `answer` may answer a request to this path."""

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> bytes | None:
        """Return the body of the answer, None when the application has to answer."""


Job: TypeAlias = "tuple[Reply, WSGIEnvironment, float]"  # with its time of arrival (monotonic seconds)


class Start:
    """A `start_response` (PEP 3333) that stores the status and the headers."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Callable[[bytes], object]:
        """Store them; the returned `write` is not supported."""
        self.status, self.headers = int(status[:3]), headers
        return _refuse_write


class Dispatch:
    """Takes each request from the server, and passes it to the thread that answers."""

    def __init__(
        self, admission: Admission, inner: WSGIApplication, lane: QuickAnswers | None = None, prefix: str = ""
    ) -> None:
        """Store the parts: `inner` is the application, `lane` its fast lane, `prefix` the issuer's decoded path."""
        self._admission = admission
        self._inner = inner
        self._lane = lane
        self._health_paths = {HEALTHZ, prefix + HEALTHZ}
        self._hot = Seated(self._answer_by_lane)
        self._others: deque[Job] = deque()
        self._tickets = SimpleQueue[None]()
        self._end = threading.Event()

    def start(self) -> None:
        """Start the worker threads and the one that checks the queues."""
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()
        threading.Thread(target=self._watch, name="dispatch", daemon=True).start()

    def stop(self) -> None:
        """Stop checking the queues."""
        self._end.set()

    def take(self, reply: Reply, scope: WSGIEnvironment) -> None:
        """Answer a request, in this thread or another; the server calls this in one of its threads."""
        environ = ENVIRON | scope
        try:
            refusal = self._admission.refuse(environ)
            self._admit((reply, environ, time.monotonic()), refusal)  # the wait for the body has its own deadline
        except Exception as error:
            self._fail((reply, environ, 0.0), error)

    def _admit(self, job: Job, refusal: Refusal | None) -> None:
        environ = job[1]
        if refusal is not None:
            self._refuse(job, refusal)
        elif self._lane is not None and self._lane.may_take(environ):
            self._hot.submit(job)
        elif environ["PATH_INFO"] in self._health_paths:
            self._answer(job)
        else:
            self._queue(job)

    def check(self) -> None:
        """Refuse what has waited for too long, and open all seats when the seated threads are stuck."""
        self._hot.check()
        for waiting in (self._hot.waiting, self._others):
            while waiting and _is_overdue(waiting[0]):
                try:
                    self._refuse(waiting.popleft(), BUSY)
                except IndexError:  # a thread took it
                    break

    def _answer_by_lane(self, job: Job) -> None:
        reply, environ, _arrived = job
        start = Start()
        try:
            answer = self._lane.answer(environ, _start_for(environ, start)) if self._lane else None
            if answer is None:
                self._queue(job)
            else:
                reply.response_bytes(start.status, start.headers, answer)
                self._admission.release(environ)
        except Exception as error:
            self._fail(job, error)

    def _queue(self, job: Job) -> None:
        """Queue a request for the worker threads, which run Flask."""
        if len(self._others) >= MOST_QUEUED:
            self._refuse(job, BUSY)
            return
        self._others.append(job)
        self._tickets.put(None)

    def _work(self) -> None:
        """Answer the queued requests, one after another, for as long as the process lives."""
        while True:
            self._tickets.get()
            try:
                job = self._others.popleft()
            except IndexError:  # it was refused meanwhile
                continue
            self._answer(job)
            del job  # its body is no longer needed

    def _answer(self, job: Job) -> None:
        reply, environ, _arrived = job
        start = Start()
        try:
            if _is_overdue(job):
                self._refuse(job, BUSY)
                return
            body = read_body(self._inner(environ, _start_for(environ, start)))
            reply.response_bytes(start.status, start.headers, body)
            self._admission.release(environ)
        except BaseException as error:  # a thread that ends is not replaced
            self._fail(job, error)

    def _refuse(self, job: Job, refusal: Refusal) -> None:
        status, text = refusal
        head = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        job[0].response_bytes(int(status[:3]), [*head, ("Connection", "close"), ("Retry-After", "1")], text)
        self._admission.release(job[1])

    def _fail(self, job: Job, error: BaseException) -> None:
        """Answer 500 for an error outside of Flask; Flask answers the errors of its routes."""
        logs.request_log.error("a request failed before the application", exc_info=error)
        with suppress(Exception):  # it may be answered already
            job[0].response_bytes(500, [("Cache-Control", "no-store"), ("Connection", "close")], b"")
        self._admission.release(job[1])

    def _watch(self) -> None:
        while not self._end.wait(CHECK_INTERVAL):
            try:
                self.check()
            except Exception as error:  # the next check may succeed
                logs.request_log.warning("could not check the waiting requests", exc_info=error)


class Seated:
    """Runs jobs in the threads that submit them: few have a seat at a time; the others queue their job.

    One seat is enough while a job waits for nothing but the interpreter's lock. The longer jobs take, because they
    wait for a database, the more seats there are.
    """

    def __init__(self, do: Callable[[Job], None]) -> None:
        """Start with one seat; `do` runs a job."""
        self.waiting: deque[Job] = deque()
        self._do = do
        self._free = deque(range(THREADS))
        self._wanted = 1
        self._mean = 0.0  # seconds of a job
        self._done = self._done_before = 0

    def submit(self, job: Job) -> None:
        """Run a job now, or queue it for a thread that has a seat."""
        seat = self._take_seat()
        if seat is None:
            self.waiting.append(job)
        else:
            self._work(seat, job)
        self.help()  # the thread that left the last seat may have missed this job

    def help(self) -> None:
        """Run the queued jobs, if there is a seat."""
        while self.waiting and (seat := self._take_seat()) is not None:
            self._work(seat, self._next())

    def check(self) -> None:
        """Open all seats when jobs wait and none was done since the last check."""
        if self.waiting and self._done == self._done_before:
            self._wanted, self._mean = THREADS, THREADS * BRIEF
            for _ in range(len(self._free)):
                self._start_helper()
        self._done_before = self._done

    def _take_seat(self) -> int | None:
        if THREADS - len(self._free) >= self._wanted:
            return None
        try:
            return self._free.pop()
        except IndexError:
            return None

    def _work(self, seat: int, job: Job | None) -> None:
        """Run a job and the queued ones, as long as the seat is needed."""
        use_worker_slot(seat)
        started = time.perf_counter()
        try:
            while job is not None:
                self._do(job)
                ended = time.perf_counter()
                self._done += 1
                if ended - started > BRIEF or self._wanted > 1:
                    self._adapt(ended - started)
                started, job = ended, self._next()
        finally:
            use_worker_slot(None)
            self._free.append(seat)

    def _next(self) -> Job | None:
        """Return the next queued job; None when there is none, or when this thread should give up its seat."""
        if THREADS - len(self._free) > self._wanted:
            return None
        try:
            return self.waiting.popleft()
        except IndexError:
            return None

    def _adapt(self, seconds: float) -> None:
        """Set the number of seats by the mean duration, and start a helper if one is unused."""
        self._mean += (seconds - self._mean) * SMOOTHING
        self._wanted = max(1, min(THREADS, int(self._mean / BRIEF)))
        if self.waiting and THREADS - len(self._free) < self._wanted:
            self._start_helper()

    def _start_helper(self) -> None:
        """Start a thread for the queued jobs: a thread of the server arrives only with the next request."""
        with suppress(RuntimeError):  # no thread can be started: a running one takes the jobs later
            threading.Thread(target=self.help, name="helper", daemon=True).start()


def _start_for(environ: WSGIEnvironment, start: Start) -> StartResponse:
    return closing(start) if UNREAD in environ else start


def _is_overdue(job: Job) -> bool:
    return job[2] < time.monotonic() - PATIENCE


def _refuse_write(_data: bytes) -> None:
    raise RuntimeError("the answer is returned, not written")
