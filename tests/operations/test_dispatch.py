"""Which thread answers a request: few work at once, each is answered, and a health check is answered immediately."""

import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from queue import Queue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.database.engines import THREADS
from app.database.worker_slots import PerWorkerSlot, use_worker_slot
from app.fast_lane.lane import Lane
from app.fast_lane.memory import Answer
from app.operations import dispatch as module
from app.operations.admission import MOST_BYTES, TOO_MANY, Admission
from app.operations.dispatch import Dispatch, Job, Seated
from app.operations.paths import HEALTHZ
from app.operations.request_log import RequestLog

WAIT = 20  # seconds at the most


class Reply:
    """What granian hands over with a request: takes one answer."""

    def __init__(self) -> None:
        self.answers: Queue[tuple[int, list[tuple[str, str]], bytes]] = Queue()

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.answers.put((status, headers, body))

    def status(self) -> int:
        return self.answers.get(timeout=WAIT)[0]


class Slow:
    """A WSGI application that answers when it is let go, and says by which threads it is asked."""

    def __init__(self) -> None:
        self.asked: Queue[str] = Queue()
        self.let_go = threading.Event()

    def __call__(self, environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        if not str(environ["PATH_INFO"]).endswith(HEALTHZ):
            self.asked.put(threading.current_thread().name)
            assert self.let_go.wait(WAIT)
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"do", b"ne"]


def scope(path: str, method: str = "GET", **more: object) -> dict[str, object]:
    environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "REMOTE_ADDR": "192.0.2.1", "HTTP_HOST": "localhost"}
    return {**environ, "wsgi.input": BytesIO(), **more}


@pytest.fixture
def slow() -> Iterator[Slow]:
    application = Slow()
    yield application
    application.let_go.set()


def start_dispatch(inner: object, lane: Lane | None = None) -> Dispatch:
    dispatch = Dispatch(Admission(100), inner, lane, "/a b")  # type: ignore[arg-type]
    dispatch.start()
    return dispatch


def test_few_threads_work_and_the_thread_of_the_server_returns_at_once(slow: Slow) -> None:
    dispatch, replies = start_dispatch(slow), [Reply() for _ in range(THREADS + 2)]
    for reply in replies:
        dispatch.take(reply, scope("/x"))
    names = {slow.asked.get(timeout=WAIT) for _ in range(THREADS)}
    assert names == {f"worker-{n}" for n in range(THREADS)} and slow.asked.empty()
    slow.let_go.set()
    assert {reply.answers.get(timeout=WAIT)[2] for reply in replies} == {b"done"}


def test_health_is_answered_while_all_threads_are_busy(slow: Slow) -> None:
    dispatch = start_dispatch(slow)
    for _ in range(THREADS):
        dispatch.take(Reply(), scope("/x"))
        slow.asked.get(timeout=WAIT)
    for path in (HEALTHZ, "/a b" + HEALTHZ):  # with the issuer's path, too
        alive = Reply()
        dispatch.take(alive, scope(path))
        assert alive.answers.get_nowait()[0] == 200


def test_a_request_that_waits_for_too_long_is_refused(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    dispatch, late = start_dispatch(slow), Reply()
    for _ in range(THREADS):
        dispatch.take(Reply(), scope("/x"))
        slow.asked.get(timeout=WAIT)
    dispatch.take(late, scope("/x"))
    dispatch.check()
    assert late.answers.empty()
    monkeypatch.setattr(module, "PATIENCE", -1.0)
    dispatch.check()
    status, headers, body = late.answers.get_nowait()
    assert (status, body) == (503, module.BUSY[1]) and ("Retry-After", "1") in headers


def answer_nothing(_environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
    start("200 OK", [])
    return [b""]


def statuses(dispatch: Dispatch, path: str, kind: type[Reply]) -> set[int]:
    """Return how a path is answered, one request after another: more of them than there are threads."""
    replies = [kind() for _ in range(2 * THREADS)]
    found = set()
    for reply in replies:
        dispatch.take(reply, scope(path))
        found.add(reply.status())
    return found


class Panic(BaseException):
    """As a library in Rust raises it: no `Exception`."""


@pytest.mark.parametrize("error", [RuntimeError, Panic])
def test_an_application_that_raises_is_a_500_and_its_thread_works_on(error: type[BaseException]) -> None:
    def failing(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [])
        if environ["PATH_INFO"] == "/fails":
            raise error("on purpose")
        return [b""]

    dispatch = start_dispatch(failing)
    assert statuses(dispatch, "/fails", Reply) == {500}
    assert statuses(dispatch, "/x", Reply) == {200}


def test_an_answer_that_cannot_be_sent_costs_no_thread() -> None:
    class Gone(Reply):
        def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            super().response_bytes(status, headers, body)
            raise ValueError("on purpose")

    dispatch = start_dispatch(answer_nothing)
    assert statuses(dispatch, "/x", Gone) == {200}
    assert statuses(dispatch, "/x", Reply) == {200}


def test_the_time_that_a_body_takes_does_not_count_as_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slowly(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threading.Event().wait(0.3)
            return super().read(size)

    monkeypatch.setattr(module, "PATIENCE", 0.2)
    reply, body = Reply(), {"CONTENT_LENGTH": "5", "wsgi.input": Slowly(b"hello")}
    start_dispatch(answer_nothing).take(reply, scope("/x", "POST", **body))
    assert reply.status() == 200


def test_more_requests_than_may_be_queued_are_refused_at_once(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_QUEUED", 3)
    dispatch, more = start_dispatch(slow), [Reply() for _ in range(5)]
    for _ in range(THREADS):
        dispatch.take(Reply(), scope("/x"))
        slow.asked.get(timeout=WAIT)
    for reply in more:
        dispatch.take(reply, scope("/x"))
    assert [reply.answers.qsize() for reply in more] == [0, 0, 0, 1, 1]
    assert more[-1].status() == 503


@pytest.mark.parametrize("length", ["0" * 5_000 + "5", "9" * 5_000, "", "00"])
def test_any_content_length_that_the_server_takes_is_answered(length: str) -> None:
    def echo(environ: dict[str, object], start: Callable[..., object]) -> list[bytes]:
        start("200 OK", [])
        return [environ["wsgi.input"].read()]  # type: ignore[attr-defined]

    reply = Reply()
    start_dispatch(echo).take(reply, scope("/x", "POST", CONTENT_LENGTH=length, **{"wsgi.input": BytesIO(b"hello")}))
    status, _headers, body = reply.answers.get(timeout=WAIT)
    assert (status, body) == (200, b"hello" if length.endswith("5") else b"")


def test_long_bodies_have_a_bound_together_which_their_answers_free() -> None:
    admission = Admission(1024 * 1024)
    dispatch = Dispatch(admission, answer_nothing)
    body = b"x" * 1_000_000
    held = [
        scope("/x", "POST", CONTENT_LENGTH=str(len(body)), **{"wsgi.input": BytesIO(body)})
        for _ in range(MOST_BYTES // len(body) + 1)
    ]
    assert [admission.refuse(environ) for environ in held][-2:] == [None, TOO_MANY]
    for environ in held:
        admission.release(environ)
    dispatch.start()
    for _ in range(3 * len(held)):
        reply = Reply()
        dispatch.take(reply, scope("/x", "POST", CONTENT_LENGTH=str(len(body)), **{"wsgi.input": BytesIO(body)}))
        assert reply.status() == 200


def test_an_answer_is_closed_after_it_was_collected() -> None:
    closed = threading.Event()

    class Pieces:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"a", b"b")

        def close(self) -> None:
            closed.set()

    def streaming(_environ: dict[str, object], start: Callable[..., object]) -> Pieces:
        start("200 OK", [])
        return Pieces()

    reply = Reply()
    start_dispatch(streaming).take(reply, scope("/x"))
    assert reply.answers.get(timeout=WAIT)[2] == b"ab" and closed.wait(WAIT)


class OneAnswer:
    """A route of the fast lane that has one answer, and leaves a request with a query to Flask."""

    method = "GET"

    def __call__(self, environ: dict[str, object]) -> Answer | None:
        return None if environ.get("QUERY_STRING") else Answer((), threading.current_thread().name.encode())


def test_the_lane_answers_in_the_thread_that_brings_the_request_and_leaves_the_rest_to_flask(slow: Slow) -> None:
    lane = Lane(slow, {"/oauth/x": OneAnswer()}, "http://localhost", RequestLog())  # type: ignore[dict-item]
    dispatch, here, left = start_dispatch(lane, lane), Reply(), Reply()
    dispatch.take(here, scope("/oauth/x"))
    assert here.answers.get_nowait()[2] == threading.current_thread().name.encode()
    dispatch.take(left, scope("/oauth/x", QUERY_STRING="a=b"))
    assert slow.asked.get(timeout=WAIT).startswith("worker-")
    slow.let_go.set()
    assert left.status() == 200


def job(number: int) -> Job:
    return Reply(), {"number": number}, time.monotonic()


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(1, 40))
def test_each_job_is_done_once_however_many_threads_bring_them(threads: int, each: int) -> None:
    done: Queue[object] = Queue()
    seated = Seated(lambda one: done.put(one[1]["number"]))
    begin = threading.Barrier(threads)

    def bring(first: int) -> None:
        begin.wait(WAIT)
        for number in range(first, first + each):
            seated.submit(job(number))

    bringing = [threading.Thread(target=bring, args=(n * each,)) for n in range(threads)]
    for thread in bringing:
        thread.start()
    for thread in bringing:
        thread.join(WAIT)
    assert sorted(done.get_nowait() for _ in range(threads * each)) == list(range(threads * each))  # type: ignore[type-var]
    assert done.empty() and not seated.waiting


def test_who_has_the_seat_does_what_others_bring() -> None:
    inside, let_go, names = threading.Event(), threading.Event(), Queue[str]()

    def do(_job: Job) -> None:
        names.put(threading.current_thread().name)
        inside.set()
        assert let_go.wait(WAIT)

    seated = Seated(do)
    first = threading.Thread(target=seated.submit, args=(job(1),), name="first")
    first.start()
    assert inside.wait(WAIT)
    seated.submit(job(2))  # returns: the other one does it
    let_go.set()
    first.join(WAIT)
    assert [names.get_nowait() for _ in range(2)] == ["first", "first"]


def test_when_the_one_with_the_seat_is_stuck_the_others_are_opened_within_two_looks() -> None:
    inside, let_go, done = threading.Event(), threading.Event(), Queue[object]()

    def do(one: Job) -> None:
        if one[1]["number"] == 0:
            inside.set()
            assert let_go.wait(WAIT)
        done.put(one[1]["number"])

    seated = Seated(do)
    stuck = threading.Thread(target=seated.submit, args=(job(0),))
    stuck.start()
    assert inside.wait(WAIT)
    seated.submit(job(1))
    seated.check()
    assert done.get(timeout=WAIT) == 1
    let_go.set()
    stuck.join(WAIT)


def test_jobs_that_wait_for_a_database_have_more_seats() -> None:
    at_once, most = Queue[None](), Queue[int]()

    def do(_job: Job) -> None:
        at_once.put(None)
        most.put(at_once.qsize())
        threading.Event().wait(0.004)
        at_once.get_nowait()

    seated = Seated(do)

    def bring() -> None:
        for number in range(40):
            seated.submit(job(number))

    bringing = [threading.Thread(target=bring) for _ in range(12)]
    for thread in bringing:
        thread.start()
    for thread in bringing:
        thread.join(WAIT)
    seen = [most.get_nowait() for _ in range(most.qsize())]
    assert len(seen) == 12 * 40 and 4 <= max(seen) <= THREADS


def test_a_job_that_raises_gives_its_seat_back() -> None:
    done: Queue[object] = Queue()

    def do(one: Job) -> None:
        if one[1]["number"] % 2:
            raise RuntimeError("on purpose")
        done.put(one[1]["number"])

    seated = Seated(do)
    for number in range(2 * THREADS):
        if number % 2:
            with pytest.raises(RuntimeError, match="on purpose"):
                seated.submit(job(number))
        else:
            seated.submit(job(number))
    assert done.qsize() == THREADS


def test_what_a_seat_keeps_is_found_by_the_next_thread_in_it() -> None:
    kept, found = PerWorkerSlot[str](), Queue[str | None]()

    def visit(value: str) -> None:
        use_worker_slot(3)
        found.put(kept.get())
        kept.set(value)
        use_worker_slot(None)

    for value in ("first", "second"):
        thread = threading.Thread(target=visit, args=(value,))
        thread.start()
        thread.join(WAIT)
    assert (found.get_nowait(), found.get_nowait()) == (None, "first")
    assert kept.get() is None  # this thread has no seat
