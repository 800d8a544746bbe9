"""PostgreSQL is killed, hangs, restarts, is read-only, or has no free connection or a full disk."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import httpx
import psycopg
import pytest

from tests.api import Admin
from tests.cluster import program
from tests.contract.waiting import until
from tests.faults.endpoints import READS, SPEAKS, WRITES, Endpoints, assert_no_leak, assert_unavailable
from tests.faults.servers import Fragile, fill, required, small_disk
from tests.live import LiveServer
from tests.machine import lacking

DATABASE = "latchkey"
LONGEST = 10.0  # seconds that anybody waits for a server that hangs: a statement's patience, and a connection's


class Scene:
    """A server on a PostgreSQL that breaks."""

    def __init__(self, folder: Path, disk: Path | None) -> None:
        program("initdb") or lacking("PostgreSQL server")
        self.disk = disk
        self.cluster = Fragile(disk)
        self.cluster.create(DATABASE)
        self.live = LiveServer(folder / "instance", {"database_url": self.cluster.url(DATABASE)}).start()
        self.endpoints = Endpoints(Admin(self.live))

    def readiness(self) -> tuple[int, str]:
        """Return the status of /readyz and its check of the database."""
        answer = self.endpoints.http.get("/readyz")
        return answer.status_code, answer.json()["checks"]["database"]

    def end(self) -> None:
        self.live.kill()
        self.cluster.stop()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with small_disk(192) as disk:
        made = Scene(tmp_path_factory.mktemp("fragile"), disk)
        yield made
        made.end()


@pytest.fixture(autouse=True)
def _well_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """See after each fault that everything works again without help, and that nothing internal was printed."""
    yield
    if "scene" in request.fixturenames:
        scene: Scene = request.getfixturevalue("scene")
        scene.endpoints.await_all()
        until(lambda: scene.readiness() == (200, "ok"))  # a moment after a hang it is not asked
        assert_no_leak(scene.live.stderr_file.read_text())


def timed(ask: Callable[[], httpx.Response]) -> tuple[httpx.Response, float]:
    began = time.monotonic()
    return ask(), time.monotonic() - began


@pytest.mark.asvs("16.5.2")
@pytest.mark.contract(
    "PostgreSQL killed, hung, restarted, read-only, full or out of connections: a bounded 503, then recovery"
)
@pytest.mark.spec("RFC 6749 §4.1.2.1")
@pytest.mark.spec("RFC 9110 §10.2.3")
def test_a_killed_database_is_a_503_in_the_format_of_each_endpoint_and_no_cached_answer(
    scene: Scene,
) -> None:
    scene.cluster.kill()
    try:
        for endpoint, answer in scene.endpoints.ask_all().items():
            assert_unavailable(endpoint, answer)
        assert_unavailable("introspection", scene.endpoints.introspect(scene.endpoints.revoked))
        assert scene.endpoints.http.get("/healthz").status_code == 200
        assert scene.readiness() == (503, "failed")
    finally:
        scene.cluster.start()


@pytest.mark.contract(
    "PostgreSQL killed, hung, restarted, read-only, full or out of connections: a bounded 503, then recovery"
)
def test_while_it_hangs_waiting_ends_and_somebody_is_left_to_say_that_the_process_lives(scene: Scene) -> None:
    over = Event()

    def besiege(endpoint: str) -> list[tuple[str, httpx.Response, float]]:
        heard = []
        with httpx.Client(
            base_url=scene.live.url, timeout=30, trust_env=False, verify=False, cookies=scene.endpoints.http.cookies
        ) as own:
            while not over.is_set():
                heard.append((endpoint, *timed(lambda: scene.endpoints.ask(endpoint, own))))
        return heard

    scene.cluster.pause()
    try:
        with ThreadPoolExecutor(len(SPEAKS) + 4) as threads:
            asking = [threads.submit(besiege, endpoint) for endpoint in (*SPEAKS, *["introspection"] * 4)]
            time.sleep(7)  # by now each that waited was answered
            alive = [
                timed(lambda: httpx.get(f"{scene.live.url}/healthz", timeout=10, trust_env=False, verify=False))
                for _ in range(5)
            ]
            readiness = scene.readiness()
            over.set()
            heard = [one for each in asking for one in each.result()]
    finally:
        over.set()
        scene.cluster.resume()
    for endpoint, answer, _ in heard:
        assert_unavailable(endpoint, answer)
    assert max(seconds for *_, seconds in heard) < LONGEST
    assert all(answer.status_code == 200 and seconds < 3 for answer, seconds in alive), alive
    assert readiness == (503, "failed")


@pytest.mark.contract(
    "PostgreSQL killed, hung, restarted, read-only, full or out of connections: a bounded 503, then recovery"
)
def test_restarted_under_load_it_costs_503s_and_nobody_helps_the_server_on(scene: Scene) -> None:
    over, heard, endpoints = Event(), Counter[tuple[str, int]](), scene.endpoints
    active: list[bool] = []

    def ask_on(endpoint: str) -> None:
        with httpx.Client(base_url=scene.live.url, timeout=30, trust_env=False, verify=False) as own:
            while not over.is_set():
                answer = endpoints.ask(endpoint, own)
                heard[endpoint, answer.status_code] += 1
                ended = own.post("/oauth/introspect", data={"token": endpoints.revoked}, auth=endpoints.server)
                if ended.status_code == 200:
                    active.append(ended.json()["active"])

    with ThreadPoolExecutor(6) as threads:
        asking = [
            threads.submit(ask_on, endpoint)
            for endpoint in ("introspection", "token", "forward-auth", "list", "creation")
        ]
        time.sleep(0.3)
        scene.cluster.restart()
        deadline = time.monotonic() + 10
        while endpoints.ask("introspection").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.3)
        over.set()
        for one in asking:
            one.result()
    assert {status for _, status in heard} <= {200, 201, 503}, heard
    assert active and not any(active)


@pytest.mark.contract(
    "PostgreSQL killed, hung, restarted, read-only, full or out of connections: a bounded 503, then recovery"
)
def test_one_that_only_reads_lets_reading_go_on(scene: Scene) -> None:
    with psycopg.connect(scene.cluster.url(DATABASE)) as connection:  # so that a use of the session would be noted
        connection.execute("UPDATE user_session SET last_used_at = last_used_at - 3600000000")
    scene.cluster.execute(f"ALTER DATABASE {DATABASE} SET default_transaction_read_only = on")
    scene.cluster.end_connections(DATABASE)
    try:
        scene.endpoints.ask_all()  # what was connected finds out
        until(lambda: {answer.status_code for answer in scene.endpoints.ask_all(READS).values()} == {200})
        for endpoint in WRITES:
            assert_unavailable(endpoint, scene.endpoints.ask(endpoint))
        answers = scene.endpoints.ask_all(READS)
        assert {endpoint: answer.status_code for endpoint, answer in answers.items()} == dict.fromkeys(READS, 200)
        assert answers["introspection"].json()["active"] is True
    finally:
        scene.cluster.execute(f"ALTER DATABASE {DATABASE} RESET ALL")
        scene.cluster.end_connections(DATABASE)


@pytest.mark.contract(
    "PostgreSQL killed, hung, restarted, read-only, full or out of connections: a bounded 503, then recovery"
)
def test_without_a_connection_left_new_ones_are_refused_and_kept_ones_go_on(scene: Scene) -> None:
    scene.cluster.admit(DATABASE, 0)
    try:
        assert scene.endpoints.ask("introspection").json()["active"] is True
        scene.cluster.end_connections(DATABASE)
        for endpoint, answer in scene.endpoints.ask_all().items():
            assert_unavailable(endpoint, answer)
    finally:
        scene.cluster.admit(DATABASE, -1)


@pytest.mark.contract(
    "PostgreSQL killed, hung, restarted, read-only, full or out of connections: a bounded 503, then recovery"
)
def test_with_a_full_disk_writing_is_refused_and_reading_goes_on(scene: Scene) -> None:
    filler = fill(required(scene.disk))
    try:
        for _ in range(400):  # what has room on its page is still kept
            answer = scene.endpoints.ask("creation")
            if answer.status_code != 201:
                break
        assert_unavailable("creation", answer)
        assert scene.endpoints.ask("introspection").json()["active"] is True
        assert scene.endpoints.introspect(scene.endpoints.revoked).json() == {"active": False}
    finally:
        filler.unlink()
