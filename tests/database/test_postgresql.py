"""What PostgreSQL alone has: a server of its own, that can end connections or be read only for a while."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import httpx
import pytest
from sqlalchemy import create_engine, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from app.actions.audit.actor import OPERATOR
from app.actions.audit.record import record
from app.actions.audit.verify import VerifyAudit
from app.database import postgresql
from app.database.store import Store
from app.database.types import EPOCH, Base
from app.models import AuditEvent, Role
from tests.api import Admin, unique
from tests.cluster import program
from tests.databases import PostgresqlDatabase, cluster
from tests.live import LiveServer
from tests.machine import lacking

pytestmark = pytest.mark.both_databases


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> PostgresqlDatabase:
    if program("initdb") is None:
        lacking("PostgreSQL server")
    return PostgresqlDatabase(tmp_path_factory.mktemp("postgresql"))


@pytest.fixture(scope="module")
def live(database: PostgresqlDatabase) -> Iterator[LiveServer]:
    started = LiveServer(database.folder / "instance", database.settings).start()
    yield started
    started.stop()


def end_connections(database: PostgresqlDatabase) -> None:
    """End all connections, as a restart of PostgreSQL does."""
    cluster().end_connections(database.name)


def changes(live: LiveServer, token: str, times: int) -> list[int]:
    """Ask for something that reads and writes; give the statuses."""
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=live.url, headers=headers, trust_env=False, verify=False, timeout=15) as http:
        bodies = [{"identifier": f"https://{unique('api')}.example", "name": "x"} for _ in range(times)]
        return [http.post("/api/v1/resources", json=body).status_code for body in bodies]


def test_connections_that_were_ended_are_replaced(database: PostgresqlDatabase, live: LiveServer) -> None:
    token = Admin(live).token()
    assert changes(live, token, 40) == [201] * 40
    end_connections(database)
    seen = changes(live, token, 60)
    assert set(seen) <= {201, 503} and seen[-20:] == [201] * 20
    assert live.http.get("/readyz").status_code == 200


@pytest.mark.spec("RFC 9110 §15.6.4")
def test_each_thread_reads_on_at_its_first_use_of_a_connection_that_was_ended(database: PostgresqlDatabase) -> None:
    store, both, ended = Store(create_engine(database.url)), Barrier(3), Barrier(3)

    def read_twice() -> list[object]:
        with store.connection() as connection:
            first = connection.execute(text("SELECT 1")).scalar()
        both.wait(10)
        ended.wait(10)
        with store.connection() as connection:
            return [first, connection.execute(text("SELECT 2")).scalar()]

    with ThreadPoolExecutor(2) as threads:
        reading = [threads.submit(read_twice) for _ in range(2)]
        both.wait(10)
        end_connections(database)
        ended.wait(10)
        assert [one.result() for one in reading] == [[1, 2]] * 2
    store.dispose()


def test_a_database_that_only_reads_is_a_503_until_it_writes_again(
    database: PostgresqlDatabase, live: LiveServer
) -> None:
    token = Admin(live).token()
    cluster().execute(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    end_connections(database)
    assert set(changes(live, token, 40)) == {503}
    assert live.http.get("/.well-known/jwks.json").status_code == 200
    found = httpx.get(f"{live.url}/readyz", trust_env=False, verify=False)
    assert (found.status_code, found.json()["reasons"]) == (503, {"writes": "read-only"})
    assert found.json()["checks"] == {"database": "ok", "migrations": "ok", "writes": "failed"}  # balanced by the first
    cluster().execute(f"ALTER DATABASE {database.name} RESET ALL")
    end_connections(database)
    assert changes(live, token, 60)[-20:] == [201] * 20


def test_every_wait_for_a_lock_ends(database: PostgresqlDatabase) -> None:
    store = Store(create_engine(database.url))
    with store.transaction() as session:
        assert session.scalar(text("SHOW lock_timeout")) == "15s"
    with store.transaction() as session:  # it outlives a transaction
        assert session.scalar(text("SHOW lock_timeout")) == "15s"
    store.dispose()


def test_a_slow_read_is_given_up_without_taking_the_server_for_one_that_hangs(
    database: PostgresqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "READ_TIMEOUT", 1.0)
    store = Store(create_engine(database.url))
    for read in (store.reading, store.connection):
        with read() as reader, pytest.raises(OperationalError, match="statement timeout"):
            reader.execute(text("SELECT pg_sleep(5)"))
        with read() as reader:  # at once: no circuit breaker is open
            assert reader.scalar(text("SELECT 1")) == 1
    store.dispose()


@pytest.mark.asvs("13.2.2")
def test_it_needs_no_rights_but_its_own_database(database: PostgresqlDatabase, live: LiveServer) -> None:
    [role] = database.execute("SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user")
    assert role == (False, False, False)
    assert live.http.get("/readyz").status_code == 200


@pytest.mark.contract("many writers make one unbroken chain, and nothing is lost")
def test_a_transaction_that_waits_after_recording_an_event_blocks_no_other(database: PostgresqlDatabase) -> None:
    live = PostgresqlDatabase(database.folder / "chain")
    Base.metadata.create_all(live.engine())
    store = Store(create_engine(live.url))

    def trace(session: Session, target: str) -> None:
        record(session, OPERATOR, "role.update", "role", target, EPOCH)

    with store.transaction() as slow:
        trace(slow, "slow")
        slow.add(Role(id="role_1", name="one", type="user", created_at=EPOCH))
        slow.flush()  # it holds a row, and its event waits
        for number in range(3):
            with store.transaction() as quick:
                quick.execute(text("SET LOCAL lock_timeout = '2s'"))
                trace(quick, f"quick {number}")
    assert VerifyAudit(store)().intact
    with store.reading() as session:
        order = list(session.scalars(select(AuditEvent.target).order_by(AuditEvent.id)))
    assert order == ["quick 0", "quick 1", "quick 2", "slow"]
    store.dispose()
