"""How the authorization server is asked: once for all callers, in time, ahead of need, by each process for itself."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from app.resource_server import AsyncGuard, Configuration, Guard, Refusal, ServiceUnavailable, transport
from app.resource_server.document import REFRESH_AT, RETRY_PAUSE, USED_FOR
from tests.resource_server.fake_server import KEYS, LIST, RESOURCE, TTL, Clock, FakeServer
from tests.resource_server.guards import FLAVOURS, answer, bearer, calling, configure

PATIENCE = 10.0


@pytest.fixture
def server() -> FakeServer:
    return FakeServer()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def threads_of(server: FakeServer) -> Guard:
    return Guard(configure(server), httpx.Client(transport=httpx.MockTransport(server)))


def test_many_threads_make_one_request(server: FakeServer) -> None:
    guard, callers = threads_of(server), 8
    together, arrived = threading.Barrier(callers), threading.Event()
    server.before_answering = lambda: arrived.wait(0.05)  # the others get as far as the lock
    tokens = [server.token(index) for index in range(callers)]

    def call(token: str) -> str:
        together.wait(PATIENCE)
        return guard.authenticate(bearer(token)).id

    with ThreadPoolExecutor(callers) as pool:
        assert list(pool.map(call, tokens)) == ["t"] * callers
    assert server.requests == {KEYS: 1, LIST: 1}


def test_many_tasks_make_one_request(server: FakeServer) -> None:
    async def handle(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        return server(request)

    async def call_together() -> None:
        guard = AsyncGuard(configure(server), httpx.AsyncClient(transport=httpx.MockTransport(handle)))
        await asyncio.gather(*(guard.authenticate(bearer(server.token(index))) for index in range(20)))

    asyncio.run(call_together())
    assert server.requests == {KEYS: 1, LIST: 1}


def test_a_cancelled_call_leaves_the_fetch_to_the_next(server: FakeServer) -> None:
    async def call() -> None:
        started, held = asyncio.Event(), asyncio.Event()

        async def handle(request: httpx.Request) -> httpx.Response:
            if not started.is_set():
                started.set()
                await held.wait()
            return server(request)

        guard = AsyncGuard(configure(server), httpx.AsyncClient(transport=httpx.MockTransport(handle)))
        first = asyncio.create_task(guard.authenticate(bearer(server.token())))
        await started.wait()
        second = asyncio.create_task(guard.authenticate(bearer(server.token())))
        first.cancel()
        assert (await second).id == "t" and first.cancelled()

    asyncio.run(call())


def test_one_guard_serves_several_event_loops(server: FakeServer) -> None:
    guard = AsyncGuard(configure(server), httpx.AsyncClient(transport=httpx.MockTransport(server)))
    for _ in range(2):
        assert asyncio.run(guard.authenticate(bearer(server.token()))).id == "t"
    assert server.requests == {KEYS: 1, LIST: 1}


def test_nothing_is_kept_of_an_event_loop_that_has_ended(server: FakeServer) -> None:
    guard = AsyncGuard(configure(server, background=True), httpx.AsyncClient(transport=httpx.MockTransport(server)))
    for _ in range(3):
        asyncio.run(guard.authenticate(bearer(server.token())))
    assert len(guard._transport._loops) == 1


@pytest.mark.parametrize("verify", ["local", "introspection"])
def test_a_server_that_never_answers_costs_the_timeout(silent: str, server: FakeServer, verify: str) -> None:
    settings = {"client_id": "orders", "verify": verify, "timeout": 0.05, "server_url": silent}
    with pytest.raises(ServiceUnavailable):
        Guard(configure(server, **settings)).authenticate(bearer(server.token()))
    with pytest.raises(ServiceUnavailable):
        asyncio.run(AsyncGuard(configure(server, **settings)).authenticate(bearer(server.token())))


def test_nobody_waits_for_a_server_that_did_not_answer_before(server: FakeServer) -> None:
    guard, token = threads_of(server), server.token()
    assert guard.authenticate(bearer(token)).id == "t"
    server.down = True
    server.clock.now += TTL
    assert guard.authenticate(bearer(token)).id == "t"
    server.clock.now += RETRY_PAUSE
    asked, answered = threading.Event(), threading.Event()

    def hold() -> None:
        asked.set()
        answered.wait(PATIENCE)

    server.before_answering = hold
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(guard.authenticate, bearer(token))
        assert asked.wait(PATIENCE)
        assert guard.authenticate(bearer(token)).id == "t"
        assert not waiting.done()
        answered.set()
        assert waiting.result(PATIENCE).id == "t"


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_background_fetches_what_is_used_before_it_is_old(flavour: str, server: FakeServer) -> None:
    with calling(flavour, server) as caller:
        token = server.token()
        assert answer(caller, token) == 200
        server.clock.now += TTL * REFRESH_AT - 0.01
        caller.refresh_used()
        assert server.requests[LIST] == 1
        server.clock.now += 0.01
        server.set_bit(0)
        caller.refresh_used()
        assert server.requests[LIST] == 2
        server.clock.now += TTL * REFRESH_AT - 0.01
        assert answer(caller, token) == 401
        assert server.requests[LIST] == 2
        server.clock.now += USED_FOR
        caller.refresh_used()
        assert server.requests == {KEYS: 1, LIST: 2}


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the background look every hundredth of a second."""
    monkeypatch.setattr(transport, "SHORTEST_PAUSE", 0.01)
    monkeypatch.setattr(transport, "LONGEST_PAUSE", 0.01)


@pytest.mark.usefixtures("hurried")
def test_the_background_begins_with_the_first_use_and_ends_with_the_guard() -> None:
    fetched, server = threading.Event(), FakeServer()
    guard = Guard(configure(server, background=True), httpx.Client(transport=httpx.MockTransport(server)))
    assert guard.authenticate(bearer(server.token())).id == "t"
    server.before_answering = fetched.set
    server.clock.now += TTL * REFRESH_AT
    thread = guard._transport._thread
    assert thread is not None and thread.daemon
    assert fetched.wait(PATIENCE)
    guard.close()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert guard.authenticate(bearer(server.token())).id == "t"
    assert guard._transport._thread is thread


@pytest.mark.usefixtures("hurried")
def test_the_background_task_runs_until_the_loop_ends() -> None:
    async def call() -> None:
        fetched, server = asyncio.Event(), FakeServer()
        guard = AsyncGuard(configure(server, background=True), httpx.AsyncClient(transport=httpx.MockTransport(server)))
        assert (await guard.authenticate(bearer(server.token()))).id == "t"
        server.before_answering = fetched.set
        server.clock.now += TTL * REFRESH_AT
        await asyncio.wait_for(fetched.wait(), PATIENCE)
        [task] = [one for one in asyncio.all_tasks() if one is not asyncio.current_task()]
        await guard.close()
        await asyncio.wait([task], timeout=PATIENCE)
        assert task.cancelled()

    asyncio.run(call())


@pytest.mark.usefixtures("hurried")
def test_what_is_no_longer_used_is_no_longer_refreshed() -> None:
    server, fetched = FakeServer(), threading.Event()
    guard = Guard(configure(server, background=True), httpx.Client(transport=httpx.MockTransport(server)))
    assert guard.authenticate(bearer(server.token())).id == "t"
    server.clock.now += TTL
    server.before_answering = fetched.set
    thread = guard._transport._thread
    assert thread is not None and fetched.wait(PATIENCE)
    server.clock.now += USED_FOR
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_a_forked_process_begins_without_locks_connections_and_thread(server: FakeServer) -> None:
    guard = threads_of(server)
    assert guard.authenticate(bearer(server.token())).id == "t"
    server.clock.now += TTL
    held = list(guard._transport._fetching.values())
    for lock in held:
        lock.acquire()
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # a lock that was inherited would wait for ever
        try:
            os._exit(0 if guard.authenticate(bearer(server.token())).id == "t" else 1)
        except BaseException:
            os._exit(2)
    for lock in held:
        lock.release()
    assert os.waitpid(child, 0)[1] == 0


def test_a_forked_process_makes_its_own_connections(silent: str) -> None:
    guard = Guard(Configuration(silent, RESOURCE, "orders", "x", now=Clock()))
    before = guard._transport._http
    guard._transport.renew()
    assert guard._transport._http is not before
    guard.close()


def test_only_introspection_carries_the_clients_secret(server: FakeServer) -> None:
    settings = {"client_id": "orders", "client_secret": "x"}
    guard = Guard(configure(server, **settings), httpx.Client(transport=httpx.MockTransport(server)))
    guard.authenticate(bearer(server.token()))
    with pytest.raises(Refusal):
        guard.authenticate(bearer("opaque"))
    assert ["Authorization" in sent for sent in server.headers] == [False, False, True]
    assert {sent["Accept-Encoding"] for sent in server.headers} == {"identity"}
