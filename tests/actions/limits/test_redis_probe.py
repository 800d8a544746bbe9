"""A Redis that answers PING but refuses to count is reported with its reason, in our words only."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from click.testing import CliRunner
from sqlalchemy import create_engine

from app.actions.limits import storage as rate_limits
from app.actions.limits.redis_probe import open_storage, write_failure
from app.cli.doctor import doctor
from app.database.store import Store
from app.database.types import Base
from app.operations.health import HealthWatch
from tests.databases import database_in
from tests.machine import require_program
from tests.ports import free_port
from tests.redis_server import RedisServer, running_redis

SECRET = "hush-hush-hush"


@pytest.fixture(scope="module")
def server() -> Iterator[RedisServer]:
    with running_redis() as running:
        yield running


@pytest.fixture
def admin(server: RedisServer) -> Iterator["redis.Redis"]:
    """A client that may do everything; what a test changed is undone."""
    with redis.Redis.from_url(server.url) as client:
        yield client
        client.replicaof("no", "one")
        client.config_set("maxmemory", "0")
        client.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], keys=["*"])
        client.acl_deluser("reader")


def failure(url: str) -> str | None:
    return write_failure(open_storage(url))


def test_one_that_counts_has_no_failure_and_keeps_nothing_for_long(server: RedisServer, admin: "redis.Redis") -> None:
    assert failure(server.url) is None
    [key] = [key for key in admin.keys() if b"probe" in key]  # noqa: SIM118 - not a dict
    assert 0 < admin.ttl(key) <= 10


def test_a_replica_is_read_only(server: RedisServer, admin: "redis.Redis") -> None:
    admin.replicaof("127.0.0.1", "1")
    assert failure(server.url) == "replica is read-only"


def test_one_without_memory_is_out_of_memory(server: RedisServer, admin: "redis.Redis") -> None:
    admin.config_set("maxmemory", "1")
    assert failure(server.url) == "out of memory"


def test_a_wrong_password_is_named_and_not_shown(server: RedisServer, admin: "redis.Redis") -> None:
    admin.acl_setuser("reader", enabled=True, passwords=["+right"], categories=["+@read"], keys=["*"])
    wrong = server.url.replace("redis://", f"redis://reader:{SECRET}@")
    assert failure(wrong) == "wrong password"
    assert failure(server.url.replace("redis://", "redis://reader:right@")) == "user may not run scripts that write"


def test_a_node_of_a_cluster_that_is_down_is_named(tmp_path: Path) -> None:
    with running_redis("--cluster-enabled", "yes", "--dir", str(tmp_path)) as node:
        assert failure(node.url) == "cluster down"


def test_a_certificate_that_nobody_vouches_for_is_bad(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with running_redis(*options, "--tls-auth-clients", "no"):
        assert failure(f"rediss://127.0.0.1:{port}/0") == "bad certificate"


def test_one_that_is_away_or_hangs_does_not_answer(server: RedisServer) -> None:
    assert failure("redis://127.0.0.1:1/0") == "no answer"
    server.pause()
    began = time.monotonic()
    try:
        assert failure(server.url) == "no answer"
    finally:
        server.resume()
    assert time.monotonic() - began < 3


@pytest.mark.contract("`/readyz`: database, Redis where set, migrated")
def test_the_reason_is_in_the_health_the_doctor_and_the_log(
    server: RedisServer,
    admin: "redis.Redis",
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    admin.replicaof("127.0.0.1", "1")
    store = Store(create_engine(database_in(tmp_path).url))
    Base.metadata.create_all(store.engine)
    found = HealthWatch(store, open_storage(server.url))()
    assert not found.ready
    assert (found.checks["redis"], found.reasons["redis"]) == ("failed", "replica is read-only")
    assert "redis: replica is read-only" in caplog.text
    assert rate_limits.RedisLimiter(server.url).hit("k", 2, 60).admitted  # by memory
    assert "limits are kept in memory (replica is read-only)" in caplog.text
    monkeypatch.setenv("LATCHKEY_INSTANCE_DIR", str(tmp_path))
    monkeypatch.setenv("LATCHKEY_REDIS_URL", server.url)
    assert "PROBLEM  Redis: replica is read-only" in CliRunner().invoke(doctor).output
    store.dispose()


@pytest.mark.contract("`/readyz`: database, Redis where set, migrated")
def test_sentinels_name_the_master_that_counts(server: RedisServer, tmp_path: Path) -> None:
    port, program = free_port(), require_program("redis-sentinel")
    configuration = tmp_path / "sentinel.conf"
    redis_port = server.url.rpartition(":")[2].partition("/")[0]
    configuration.write_text(f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {redis_port} 1\n")
    process = subprocess.Popen([program, str(configuration)], stdout=subprocess.DEVNULL)
    url = f"redis+sentinel://127.0.0.1:1,127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 10
        while failure(f"{url}/main") is not None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        limiter = rate_limits.RedisLimiter(f"{url}/main")
        windows = [limiter.hit("sentinel", 2, 60) for _ in range(3)]
        assert [window.admitted for window in windows] == [True, True, False]
        assert limiter.look("sentinel", 2, 60).remaining == 0 and windows[0].reset_seconds == 60
        with redis.Redis.from_url(server.url) as client:
            assert any(b"sentinel" in key for key in client.keys())  # noqa: SIM118 - not a dict
        assert failure(f"{url}/other") == "sentinels name no master"
    finally:
        process.kill()
        process.wait(10)


def test_sentinels_that_are_away_are_not_waited_for() -> None:
    began = time.monotonic()
    assert failure("redis+sentinel://127.0.0.1:1,127.0.0.1:2/main") == "sentinels name no master"
    assert time.monotonic() - began < 2
