"""SQLite's file is locked, read-only, on a full disk, gone, replaced, or garbage."""

import os
import re
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from app.database import engines, file_watch, locks
from app.database.store import Store
from tests.api import Admin
from tests.faults.endpoints import READS, Endpoints, assert_no_leak, assert_unavailable
from tests.faults.servers import fill, remount, required, small_disk
from tests.live import COMMAND, LiveServer, environment
from tests.oauth.wire import OWN, Wire, start_wire, stop_wire

NOTICED = 3.0  # seconds in which a file that is another one is seen


class Scene:
    """A server whose instance folder is on a small disk of its own."""

    def __init__(self, disk: Path) -> None:
        self.disk = disk
        self.live = LiveServer(disk / "instance").start()
        self.endpoints = Endpoints(Admin(self.live))
        self.file = disk / "instance" / "latchkey.db"

    @property
    def files(self) -> list[Path]:
        """The database file and its companions."""
        return sorted(self.file.parent.glob("latchkey.db*"))

    def await_refusal(self) -> None:
        """Wait until the server has noticed."""
        deadline = time.monotonic() + NOTICED
        while self.endpoints.ask("introspection").status_code != 503:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    with small_disk(24) as disk:
        made = Scene(required(disk))
        yield made
        made.live.kill()


@pytest.fixture
def wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """An application here, whose writers wait for a moment only."""
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_MS", 200)
    made = start_wire(tmp_path)
    made.core.role("boss", "machine", "manage")
    made.core.client("boss", "boss")
    yield made
    stop_wire(made)


def create(wire: Wire) -> int:
    """Send a request that writes, and return its status."""
    bearer = {"Authorization": f"Bearer {wire.core.m2m('boss', 'manage', OWN)}"}
    answer = wire.http.post("/api/v1/roles", json={"name": f"r{time.time_ns()}", "type": "user"}, headers=bearer)
    if answer.status_code == 503:
        assert answer.headers["Retry-After"] and answer.get_json()["status"] == 503
    return answer.status_code


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_while_another_writes_and_does_not_end_writing_is_refused_and_reading_goes_on(wire: Wire) -> None:
    token = wire.core.pat("alice", "orders:read")[1]
    wire.core.m2m("boss", "manage", OWN)  # its status has an index from now on
    other = sqlite3.connect(wire.core.database.folder / "latchkey.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    assert create(wire) == 503
    assert time.monotonic() - began < 5
    assert wire.introspect(token, wire.shop)["active"] is True
    assert wire.ask(Authorization=f"Bearer {token}").status_code == 200
    revocation = wire.revoke(token)
    assert (revocation.status_code, revocation.json["error"]) == (503, "temporarily_unavailable")
    other.execute("ROLLBACK")
    assert create(wire) == 201
    other.close()


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_some_threads_stay_free_for_reads_however_many_writers_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "CROWDED_TIMEOUT", 1.0)
    queue, over, waited = locks.WriteQueue(), threading.Event(), []

    def wait_for_it() -> None:
        began = time.monotonic()
        try:
            with queue():
                over.wait(10)
        except OperationalError:
            waited.append(time.monotonic() - began)

    with ThreadPoolExecutor(engines.THREADS) as threads:
        for _ in range(engines.THREADS):
            threads.submit(wait_for_it)
            time.sleep(0.01)
        time.sleep(locks.CROWDED_TIMEOUT + 0.5)
        given_up = len(waited)
        over.set()
    assert given_up == len(waited) == engines.THREADS - 1 - locks.MAX_WAITING


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_a_burst_of_writers_is_served_while_writes_end_however_long_the_last_one_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(locks, "CROWDED_TIMEOUT", 1.0)
    queue, slow = locks.WriteQueue(), threading.Event()

    def write() -> None:
        with queue():
            slow.wait(0.25)

    with ThreadPoolExecutor(engines.THREADS) as threads:
        written = [threads.submit(write) for _ in range(engines.THREADS)]
    assert [one.exception() for one in written] == [None] * engines.THREADS


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_a_read_only_database_is_refused_at_the_start_in_one_line_and_is_a_503_later() -> None:
    with small_disk(24) as found:
        disk = required(found)
        instance = disk / "instance"
        instance.mkdir()
        wire = start_wire(instance)
        token = wire.core.pat("alice", "orders:read")[1]
        wire.introspect(token, wire.shop)
        wire.core.store.dispose()
        remount(disk, "ro")
        for answer in (wire.post("introspect", {"token": token}, wire.shop), wire.revoke(token)):
            assert (answer.status_code, answer.json["error"]) == (503, "temporarily_unavailable")
        assert "active" not in answer.text
        assert len(refusal_of_start(instance)) == 1
        remount(disk, "rw")
        assert wire.introspect(token, wire.shop)["active"] is True
        stop_wire(wire)


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
@pytest.mark.parametrize("spare", [0, 60_000])  # bytes: none for the secret key; too few for the tables
def test_a_first_start_without_room_is_one_clear_line(spare: int) -> None:
    with small_disk(4) as found:
        disk = required(found)
        fill(disk, spare)
        [line] = refusal_of_start(disk / "instance")
        assert str(disk) in line and re.search("No space left|disk is full", line), line


def refusal_of_start(instance: Path) -> list[str]:
    """Start a server that must fail, and return its output."""
    command = [str(COMMAND), "serve", "--port", "15999"]
    ran = subprocess.run(command, env=environment(instance), capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode != 0 and "Traceback" not in ran.stderr
    return ran.stderr.strip().splitlines()


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_with_a_full_disk_writing_is_refused_and_reading_goes_on(scene: Scene) -> None:
    filler = fill(scene.disk)
    try:
        for _ in range(200):  # the log may have room that was used before
            answer = scene.endpoints.ask("creation")
            if answer.status_code != 201:
                break
        assert_unavailable("creation", answer)
        for endpoint, heard in scene.endpoints.ask_all(READS).items():
            assert heard.status_code == 200, endpoint
        assert scene.endpoints.introspect(scene.endpoints.revoked).json() == {"active": False}
        assert scene.endpoints.http.get("/healthz").status_code == 200
    finally:
        filler.unlink()
    scene.endpoints.await_all()


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_a_file_that_was_taken_away_is_a_503_and_no_other_is_made_in_its_place(scene: Scene) -> None:
    aside = scene.disk / "aside"
    aside.mkdir()
    for file in scene.files:
        file.rename(aside / file.name)
    try:
        scene.await_refusal()
        for endpoint, answer in scene.endpoints.ask_all().items():
            assert_unavailable(endpoint, answer)
        assert scene.endpoints.http.get("/readyz").status_code == 503
        assert scene.files == []
    finally:
        for file in aside.iterdir():
            file.rename(scene.file.parent / file.name)
    scene.endpoints.await_all()


@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
@pytest.mark.parametrize("first", ["introspection", "keys"])  # who comes first after it: what keeps answers, or not
def test_a_file_that_was_replaced_is_the_one_that_counts(tmp_path: Path, first: str) -> None:
    """A restored copy may have the very epoch under which other answers are kept."""
    wire = start_wire(tmp_path)
    other = Store(create_engine(f"sqlite:///{tmp_path / 'latchkey.db'}"))
    with other.connection() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    other.dispose()
    shutil.copy(tmp_path / "latchkey.db", tmp_path / "copy")
    token = wire.core.pat("alice", "orders:read")[1]
    assert wire.introspect(token, wire.shop)["active"] is True
    for beside in ("latchkey.db-wal", "latchkey.db-shm"):
        (tmp_path / beside).unlink(missing_ok=True)
    os.replace(tmp_path / "copy", tmp_path / "latchkey.db")
    time.sleep(file_watch.CHECK_INTERVAL)
    if first == "keys":
        assert wire.http.get("/.well-known/jwks.json").status_code == 503
    heard = [wire.post("introspect", {"token": token}, wire.shop) for _ in range(3)]
    assert [answer.json for answer in heard] == [{"active": False}] * 3
    stop_wire(wire)


@pytest.mark.asvs("16.5.3")
@pytest.mark.contract("SQLite locked, read-only, full, taken away, replaced, damaged, no room at the first start")
def test_garbage_in_the_file_grants_nothing_and_prints_no_stack_trace(scene: Scene) -> None:
    """Check it last in this file: the database is destroyed."""
    sqlite3.connect(scene.file).execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    whole = scene.file.stat().st_size
    with scene.file.open("r+b") as damaged:
        damaged.seek(2 * 4096)
        damaged.write(os.urandom(whole - 2 * 4096))
    scene.endpoints.ask("creation")  # moves what was kept in memory on
    for endpoint, answer in scene.endpoints.ask_all().items():
        assert answer.status_code == 503 or "active" not in answer.text, (endpoint, answer.text)
        assert answer.status_code != 500, endpoint
    assert scene.endpoints.introspect(scene.endpoints.revoked).text.find("true") < 0
    assert scene.endpoints.http.get("/healthz").status_code == 200
    assert_no_leak(scene.live.stderr_file.read_text())
