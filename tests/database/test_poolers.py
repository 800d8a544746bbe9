"""PostgreSQL behind a pooler that gives each transaction another session: a real pgbouncer with two of them."""

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from app.access.epoch import AuthorityEpoch
from app.actions.audit.verify import VerifyAudit
from app.database.postgresql import find_pooler
from app.database.store import Store
from app.database.types import Base
from app.migrations import run as migrations
from app.settings.database_url import normalize_url, with_pooler
from tests.api import Admin
from tests.cli.test_serve import run
from tests.cluster import Cluster, program
from tests.databases import cluster as shared_cluster
from tests.faults.endpoints import WELL, Endpoints
from tests.live import LiveServer
from tests.machine import lacking
from tests.pgbouncer import Pgbouncer, running_pgbouncer

SESSIONS = 2  # that the pooler keeps to a database
ROUNDS = 30  # of a request of every kind


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    program("initdb") or lacking("PostgreSQL server")
    return shared_cluster()


@pytest.fixture(scope="module")
def pooler(cluster: Cluster) -> Iterator[Pgbouncer]:
    with running_pgbouncer(cluster, size=SESSIONS) as running:
        yield running


def open_store(url: str, pooler: str = "auto") -> Store:
    return Store(create_engine(with_pooler(normalize_url(url), pooler)))


def doctor(folder: Path, url: str, pooler: str) -> tuple[int, dict[str, str]]:
    """Return the exit code and what was found of the pooler."""
    done = run(folder, "doctor", "--json", database_url=url, database_pooler=pooler)
    [found] = [one for one in json.loads(done.stdout)["findings"] if one["check"] == "pooler"]
    return done.returncode, found


@pytest.mark.contract("nodes behind a pooler, on several hosts, on a database in UTF-8 alone")
@pytest.mark.parametrize("setting", ["auto", "transaction"])
def test_mixed_requests_of_several_workers_behind_it_all_succeed(
    setting: str, cluster: Cluster, pooler: Pgbouncer, tmp_path: Path
) -> None:
    cluster.create(f"mixed_{setting}")
    told = {"database_url": pooler.url(f"mixed_{setting}"), "database_pooler": setting}
    live = LiveServer(tmp_path / "instance", told, workers=2).start()  # it migrates through the pooler
    try:
        endpoints = Endpoints(Admin(live))

        def ask(_: int) -> Counter[tuple[str, int]]:
            heard = Counter((endpoint, answer.status_code) for endpoint, answer in endpoints.ask_all().items())
            assert endpoints.introspect(endpoints.revoked).json() == {"active": False}
            return heard

        with ThreadPoolExecutor(8) as threads:
            heard = sum(threads.map(ask, range(ROUNDS)), Counter[tuple[str, int]]())
        assert heard == dict.fromkeys(WELL.items(), ROUNDS)
        assert endpoints.introspect(endpoints.live).json()["active"] is True
        assert Admin(live).revoke(endpoints.live).status_code == 200
        assert [endpoints.introspect(endpoints.live).json() for _ in range(8)] == [{"active": False}] * 8
        code, found = doctor(live.instance, told["database_url"], setting)
        assert (code, found["verdict"]) == (0, "ok") and setting in found["found"]
    finally:
        live.stop()
    store = open_store(told["database_url"])
    assert VerifyAudit(store)().intact
    store.dispose()


@pytest.mark.contract("nodes behind a pooler, on several hosts, on a database in UTF-8 alone")
def test_many_starts_migrate_once_through_it(cluster: Cluster, pooler: Pgbouncer) -> None:
    cluster.create("many_starts")
    url = normalize_url(pooler.url("many_starts"))
    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(migrations.upgrade, [url] * 2)) == [False, True]


def test_timeouts_last_for_a_transaction_and_leave_the_shared_session_as_it_was(
    cluster: Cluster, pooler: Pgbouncer
) -> None:
    cluster.create("timeouts")
    store = open_store(pooler.url("timeouts"))
    seen = []
    for _ in range(2):
        with store.transaction() as session:
            seen.append([session.scalar(text(f"SHOW {name}_timeout")) for name in ("lock", "statement")])
    with store.connection() as connection:
        seen.append([connection.scalar(text(f"SHOW {name}_timeout")) for name in ("lock", "statement")])
    assert seen == [["15s", "20s"], ["15s", "20s"], ["0", "0"]]
    store.dispose()


def test_a_database_put_in_place_of_another_behind_it_begins_a_new_epoch(cluster: Cluster, pooler: Pgbouncer) -> None:
    cluster.create("present")
    store = open_store(pooler.url("present"))
    Base.metadata.create_all(store.engine)
    store.engine.dispose()
    epoch = AuthorityEpoch(store)
    before = [epoch(), epoch()]
    cluster.end_connections("present")
    cluster.create("restored", "present")
    cluster.drop("present")
    cluster.execute("ALTER DATABASE restored RENAME TO present")
    assert before[0] == before[1] != epoch()
    store.dispose()


@pytest.mark.contract("nodes behind a pooler, on several hosts, on a database in UTF-8 alone")
def test_a_pooler_that_breaks_the_chosen_mode_is_found_by_the_doctor(
    cluster: Cluster, pooler: Pgbouncer, tmp_path: Path
) -> None:
    cluster.create("chosen")
    url = pooler.url("chosen")
    assert run(tmp_path / "instance", "init", database_url=url).returncode == 0
    code, found = doctor(tmp_path / "instance", url, "none")
    assert (code, found["verdict"]) == (1, "problem")
    assert found["mend"] == "set DATABASE_POOLER=transaction"


def test_each_kind_of_pooler_is_recognized(cluster: Cluster, pooler: Pgbouncer) -> None:
    cluster.create("kinds")
    with running_pgbouncer(cluster, "session") as sessions:
        urls = cluster.url("kinds"), sessions.url("kinds"), pooler.url("kinds")
        engines = [create_engine(normalize_url(url)) for url in urls]
        assert [find_pooler(engine) for engine in engines] == ["none", "session", "transaction"]


@pytest.mark.parametrize("setting", ["auto", "none"])
def test_without_a_pooler_statements_are_prepared_and_timeouts_kept(setting: str, cluster: Cluster) -> None:
    cluster.create(f"direct_{setting}")
    store = open_store(cluster.url(f"direct_{setting}"), setting)
    with store.connection() as connection:
        assert connection.scalar(text("SHOW statement_timeout")) == "4500ms"  # less than a thread waits for an answer
        driver = store.driver_connection()
        driver.execute("SELECT 1", prepare=True)
        assert driver.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (1,)
    store.dispose()
