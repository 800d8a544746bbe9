"""`latchkey serve` starts on an existing instance, prints its URLs, ends cleanly and leaves no process behind."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests import fork_server
from tests.api import Admin
from tests.conftest import StartServer
from tests.databases import database_in
from tests.live import COMMAND, LiveServer, environment
from tests.ports import free_port

MOST_MEMORY = 100  # MB of a process at rest; pages of libraries differ by what the kernel happens to cache


def run(instance: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return fork_server.run(arguments, environment(instance, settings))


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in listed.stdout.split()]


def until(true: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False, verify=False, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.asvs("6.3.2", "6.4.1", "13.2.3")
@pytest.mark.contract(
    "the first start creates or migrates the database, makes key and administrator",
    "`bootstrap.json`: its mode and members",
)
def test_the_first_start_writes_the_first_credentials_for_their_owner_alone(fresh_server: StartServer) -> None:
    live = fresh_server(migrated=False)
    assert list(live.bootstrap) == ["issuer", "admin_username", "admin_password", "client_id", "client_secret"]
    assert live.bootstrap["issuer"] == live.url
    files = {file.name: file for file in live.instance.rglob("*") if file.is_file()}
    assert {"bootstrap.json", "secret_key"} <= files.keys()
    for name, file in files.items():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, name


@pytest.mark.contract("a restarted server continues; Ctrl-C ends it cleanly")
def test_started_again_it_goes_on_with_what_is_there(fresh_server: StartServer) -> None:
    live = fresh_server()
    kept, key = live.bootstrap, (live.instance / "secret_key").read_text()
    jwks = live.http.get("/.well-known/jwks.json").text
    live.restart()
    assert (live.bootstrap, (live.instance / "secret_key").read_text()) == (kept, key)
    assert live.http.get("/.well-known/jwks.json").text == jwks


@pytest.mark.asvs("6.3.2")
@pytest.mark.contract("`LATCHKEY_BOOTSTRAP_…` fix the first credentials")
def test_settings_fix_the_first_credentials(fresh_server: StartServer) -> None:
    live = fresh_server(
        bootstrap_admin_username="root",
        bootstrap_admin_password="twelve chars",
        bootstrap_client_id="first",
        bootstrap_client_secret="a fixed secret",
    )
    assert live.bootstrap == {
        "issuer": live.url,
        "admin_username": "root",
        "admin_password": "twelve chars",
        "client_id": "first",
        "client_secret": "a fixed secret",
    }
    assert live.database.execute("SELECT hint FROM client_secret") == [("…",)]
    admin = Admin(live)
    assert admin.get("/me", auth=("root", "twelve chars")).json()["scopes"] == ["manage"]
    assert admin.get("/roles").status_code == 200
    admin.http.close()


@pytest.mark.contract("the server listens on 127.0.0.1:8080; `--host`, `--port`, `--workers`")
def test_the_issuer_follows_the_port(fresh_server: StartServer) -> None:
    live = fresh_server()
    live.stop()
    live.port = free_port()
    live.url = f"http://127.0.0.1:{live.port}"
    live.start()
    assert live.issuer == live.url
    assert live.database.execute("SELECT identifier FROM resource") == [(f"{live.url}/api/v1",)]


@pytest.mark.contract("a restarted server continues; Ctrl-C ends it cleanly")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly_within_two_seconds_though_somebody_is_connected(
    fresh_server: StartServer, number: signal.Signals
) -> None:
    live = fresh_server(workers=2)
    workers = children(live.pid)
    with httpx.Client(base_url=live.url, trust_env=False, verify=False) as connected:
        assert connected.get("/healthz").status_code == 200
        started = time.monotonic()
        os.killpg(live.pid, number)  # as Ctrl-C does: every process of the group gets it
        process = live._process
        assert process is not None
        assert process.wait(10) == 0
        assert time.monotonic() - started < 2
    assert all(until(lambda pid=pid: is_gone(pid)) for pid in workers)  # type: ignore[misc]
    assert "Traceback" not in live.log_text()


def test_a_hangup_changes_nothing(fresh_server: StartServer) -> None:
    live = fresh_server()
    workers = children(live.pid)
    os.killpg(live.pid, signal.SIGHUP)
    assert live.http.get("/healthz").status_code == 200
    assert children(live.pid) == workers


@pytest.mark.contract(
    "the server listens on 127.0.0.1:8080; `--host`, `--port`, `--workers`",
    "SIGKILL under load: nothing acknowledged is lost; a killed worker is replaced",
)
def test_a_worker_that_dies_is_replaced(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    first = children(live.pid)
    os.kill(first[0], signal.SIGKILL)
    assert until(lambda: len(set(children(live.pid)) - set(first)) == 1)
    assert until(lambda: is_gone(first[0]))
    assert until(lambda: answers(live.url))  # the one that was left may not have listened yet


def test_killed_it_leaves_no_worker_behind_and_starts_again_at_once(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    workers = children(live.pid)
    os.kill(live.pid, signal.SIGKILL)  # the parent alone
    assert all(until(lambda pid=pid: is_gone(pid)) for pid in workers)  # type: ignore[misc]
    live.kill()
    live.start()
    assert live.http.get("/readyz").status_code == 200


def test_a_port_in_use_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run(tmp_path / "instance", "serve", "--port", str(port))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"latchkey: 127.0.0.1:{port} is in use: stop what listens there, or pass another --port\n"


@pytest.mark.contract("an unknown or impossible setting stops the start in one line")
@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"colour": "red"}, "unknown setting LATCHKEY_COLOUR"),
        ({"port": "eighty"}, "setting PORT: "),
        ({"issuer": "http://login.example"}, "ISSUER is plain http off loopback"),
        ({"database_url": "mysql://nowhere"}, "setting DATABASE_URL: must be sqlite"),
        (
            {"database_url": "postgresql://u:hush@127.0.0.1:1/x"},
            "the database postgresql+psycopg://u:***@127.0.0.1:1/x",
        ),
    ],
)
def test_what_cannot_work_stops_the_start_with_one_line(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    done = run(tmp_path / "instance", "serve", **settings)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"latchkey: {line}"), done.stderr
    assert done.stderr.count("\n") == 1
    assert "hush" not in done.stderr


@pytest.mark.contract("the first start creates or migrates the database, makes key and administrator")
def test_a_database_newer_than_the_code_stops_the_start(tmp_path: Path) -> None:
    assert run(tmp_path / "instance", "init").returncode == 0
    database_in(tmp_path / "instance").execute("UPDATE alembic_version SET version_num = '9999'")
    done = run(tmp_path / "instance", "serve", "--port", str(free_port()))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "newer" in done.stderr


def test_a_secret_key_that_does_not_open_the_signing_keys_stops_the_start(tmp_path: Path) -> None:
    assert run(tmp_path / "instance", "init").returncode == 0
    done = run(tmp_path / "instance", "init", secret_key="another key, of thirty-two characters")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "SECRET_KEY" in done.stderr


def test_starts_at_the_same_moment_agree_on_one_set_up(tmp_path: Path) -> None:
    env, said = environment(tmp_path / "instance"), tmp_path / "stderr"
    starts = [fork_server.start(["init"], env, Path(os.devnull), said) for _ in range(3)]
    assert [start.wait(60) for start in starts] == [0, 0, 0], said.read_text()
    kept = json.loads((tmp_path / "instance" / "bootstrap.json").read_text())
    database = database_in(tmp_path / "instance")
    assert database.execute("SELECT client_id FROM client") == [(kept["client_id"],)]
    assert database.execute("SELECT state FROM signing_key ORDER BY 1") == [("active",), ("next",)]
    assert not (tmp_path / "instance" / "bootstrap.pending").exists()


def test_nodes_that_start_at_the_same_moment_share_one_database(tmp_path: Path) -> None:
    database = database_in(tmp_path)
    alike = {"secret_key": "the key of all nodes, long enough", "issuer": "https://login.example"}
    settings = alike | {"database_url": database.url}
    nodes = [LiveServer(tmp_path / f"node{number}", settings) for number in range(4)]
    try:
        with ThreadPoolExecutor(len(nodes)) as pool:
            list(pool.map(LiveServer.start, nodes))
        assert len({node.http.get("/.well-known/jwks.json").text for node in nodes}) == 1
    finally:
        for node in nodes:
            node.kill()
    [first] = [node for node in nodes if (node.instance / "bootstrap.json").exists()]
    assert database.execute("SELECT client_id FROM client") == [(first.bootstrap["client_id"],)]
    assert database.execute("SELECT state FROM signing_key ORDER BY 1") == [("active",), ("next",)]
    assert not list(tmp_path.glob("*/bootstrap.pending"))


@pytest.mark.asvs("16.2.3", "16.2.4", "16.4.3")
@pytest.mark.contract("the first start prints where to look, and commands that work when pasted")
def test_stdout_is_a_script_and_stderr_is_json_lines(server: LiveServer) -> None:
    server.http.get("/healthz")
    subprocess.run(["bash", "-n", str(server.stdout_file)], check=True)
    assert all(json.loads(line) for line in server.stderr_file.read_text().splitlines())


def test_a_process_at_rest_takes_less_than_its_share_of_memory(tmp_path: Path) -> None:
    live = LiveServer(tmp_path / "instance")
    live.command = [sys.executable, str(COMMAND)]  # a fork of the tests would count what they have loaded
    try:
        live.start().http.get("/readyz")
        for pid in [live.pid, *children(live.pid)]:
            fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
            assert int(fields["RssAnon"].split()[0]) / 1024 < MOST_MEMORY
    finally:
        live.kill()
