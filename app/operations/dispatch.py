"""Decide which thread answers: few of the server's threads do the fast lane's requests, a pool of our own the others.

The HTTP server starts a thread for each request that finds none free, because each may wait for a body. If all of them
worked, they would spend their time waiting for the interpreter's lock. So a thread with a request of the fast lane
takes one of few seats, or queues the request for a thread that has one, and returns to the server.
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
from app.http.envelope import whole
from app.http.request_target import closing
from app.operations import logs
from app.operations.admission import UNREAD, Admission, Refusal

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATIENCE = 20.0  # seconds that a request may wait for a thread
MOST_QUEUED = 1_024  # requests that wait for a thread that works with Flask
ALIVE = "/healthz"  # is answered at once: also when all threads are busy
BRIEF = 0.000_5  # seconds: the longest that an answer of the fast lane takes which does not wait for the database
SMOOTHING = 0.05  # of the running mean of what answers take
LOOK = 1.0  # seconds between two looks at what waits
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
}  # what each request has beside its own (PEP 3333)


class Reply(Protocol):
    """What the server hands over with a request, to be answered once, by any thread."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send the answer."""


class QuickAnswers(Protocol):
    """What knows some answers without waiting for long: the fast lane."""

    def may_take(self, environ: WSGIEnvironment) -> bool:
        """Return whether `answer` may answer such a request."""

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> bytes | None:
        """Return the body of the answer, None when it is the application's to give."""


Job: TypeAlias = "tuple[Reply, WSGIEnvironment, float]"  # with the time at which it came (monotonic seconds)


class Start:
    """WSGI's `start_response`: keeps the status and the headers."""

    __slots__ = ("headers", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], _error: Any = None, /) -> Callable[[bytes], object]:
        """Keep them; nothing may be written through what this returns."""
        self.status, self.headers = int(status[:3]), headers
        return _write_nothing


class Dispatch:
    """Takes each request from the server, and has it answered."""

    def __init__(
        self, admission: Admission, inner: WSGIApplication, lane: QuickAnswers | None = None, prefix: str = ""
    ) -> None:
        """Take what reads bodies, the application, its fast lane if it has one, and the issuer's decoded path."""
        self._admission = admission
        self._inner = inner
        self._lane = lane
        self._alive = {ALIVE, prefix + ALIVE}
        self._hot = Seated(self._answer_by_lane)
        self._others: deque[Job] = deque()
        self._tickets = SimpleQueue[None]()
        self._end = threading.Event()

    def start(self) -> None:
        """Start the threads that answer what the lane does not, and the one that looks after what waits."""
        for number in range(THREADS):
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True).start()
        threading.Thread(target=self._watch, name="dispatch", daemon=True).start()

    def stop(self) -> None:
        """Stop looking after what waits."""
        self._end.set()

    def take(self, reply: Reply, scope: WSGIEnvironment) -> None:
        """Have a request answered, by this thread or another; called by the server in one of its threads."""
        environ = ENVIRON | scope
        try:
            refusal = self._admission.refuse(environ)
            self._admit((reply, environ, time.monotonic()), refusal)  # the time for the body counts for itself
        except Exception as error:
            self._fail((reply, environ, 0.0), error)

    def _admit(self, job: Job, refusal: Refusal | None) -> None:
        environ = job[1]
        if refusal is not None:
            self._refuse(job, refusal)
        elif self._lane is not None and self._lane.may_take(environ):
            self._hot.have_done(job)
        elif environ["PATH_INFO"] in self._alive:
            self._answer(job)
        else:
            self._leave(job)

    def look(self) -> None:
        """Refuse what has waited for too long, and open all seats when those who have one are stuck."""
        self._hot.look()
        for waiting in (self._hot.waiting, self._others):
            while waiting and _is_overdue(waiting[0]):
                try:
                    self._refuse(waiting.popleft(), BUSY)
                except IndexError:  # a thread came first
                    break

    def _answer_by_lane(self, job: Job) -> None:
        reply, environ, _came = job
        start = Start()
        try:
            answer = self._lane.answer(environ, _start_for(environ, start)) if self._lane else None
            if answer is None:
                self._leave(job)
            else:
                reply.response_bytes(start.status, start.headers, answer)
                self._admission.release(environ)
        except Exception as error:
            self._fail(job, error)

    def _leave(self, job: Job) -> None:
        """Leave a request to the threads that work with Flask."""
        if len(self._others) >= MOST_QUEUED:
            self._refuse(job, BUSY)
            return
        self._others.append(job)
        self._tickets.put(None)

    def _work(self) -> None:
        """Answer what was left, one after another, for as long as the process lives."""
        while True:
            self._tickets.get()
            try:
                job = self._others.popleft()
            except IndexError:  # it was refused meanwhile
                continue
            self._answer(job)
            del job  # its body is no longer needed

    def _answer(self, job: Job) -> None:
        reply, environ, _came = job
        start = Start()
        try:
            if _is_overdue(job):
                self._refuse(job, BUSY)
                return
            body = whole(self._inner(environ, _start_for(environ, start)))
            reply.response_bytes(start.status, start.headers, body)
            self._admission.release(environ)
        except BaseException as error:  # a thread that ended would be missed for ever
            self._fail(job, error)

    def _refuse(self, job: Job, refusal: Refusal) -> None:
        status, text = refusal
        head = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
        job[0].response_bytes(int(status[:3]), [*head, ("Connection", "close"), ("Retry-After", "1")], text)
        self._admission.release(job[1])

    def _fail(self, job: Job, error: BaseException) -> None:
        """Answer 500: Flask answers the errors of its routes, so this one is of a layer before it."""
        logs.request_log.error("a request failed before the application", exc_info=error)
        with suppress(Exception):  # it may have been answered
            job[0].response_bytes(500, [("Cache-Control", "no-store"), ("Connection", "close")], b"")
        self._admission.release(job[1])

    def _watch(self) -> None:
        while not self._end.wait(LOOK):
            try:
                self.look()
            except Exception as error:  # the next look may succeed
                logs.request_log.warning("could not look after what waits", exc_info=error)


class Seated:
    """Does jobs in the threads that bring them: few have a seat at once; a thread without one queues its job for them.

    One seat is enough while the interpreter's lock is all that a job waits for. The longer jobs take, because they wait
    for a database, the more seats there are.
    """

    def __init__(self, do: Callable[[Job], None]) -> None:
        """Take what does a job."""
        self.waiting: deque[Job] = deque()
        self._do = do
        self._free = deque(range(THREADS))
        self._wanted = 1
        self._mean = 0.0  # seconds that a job takes
        self._done = self._done_before = 0

    def have_done(self, job: Job) -> None:
        """Do a job now, or leave it to a thread that has a seat."""
        seat = self._take_seat()
        if seat is None:
            self.waiting.append(job)
        else:
            self._work(seat, job)
        self.help()  # who left the last seat may not have seen what came then

    def help(self) -> None:
        """Do what waits, if there is a seat."""
        while self.waiting and (seat := self._take_seat()) is not None:
            self._work(seat, self._next())

    def look(self) -> None:
        """Open all seats when nothing was done since the last look though something waits."""
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
        """Do a job, and what waits, as long as the seat is needed."""
        use_worker_slot(seat)
        began = time.perf_counter()
        try:
            while job is not None:
                self._do(job)
                ended = time.perf_counter()
                self._done += 1
                if ended - began > BRIEF or self._wanted > 1:
                    self._adapt(ended - began)
                began, job = ended, self._next()
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
        """Have as many seats as a job takes brief times, and see that they are used."""
        self._mean += (seconds - self._mean) * SMOOTHING
        self._wanted = max(1, min(THREADS, int(self._mean / BRIEF)))
        if self.waiting and THREADS - len(self._free) < self._wanted:
            self._start_helper()

    def _start_helper(self) -> None:
        """Start a thread that does what waits: those of the server come only with further requests."""
        with suppress(RuntimeError):  # the system gives no more threads: a seated one does it later
            threading.Thread(target=self.help, name="helper", daemon=True).start()


def _start_for(environ: WSGIEnvironment, start: Start) -> StartResponse:
    return closing(start) if UNREAD in environ else start


def _is_overdue(job: Job) -> bool:
    return job[2] < time.monotonic() - PATIENCE


def _write_nothing(_data: bytes) -> None:
    raise RuntimeError("the answer is returned, not written")
