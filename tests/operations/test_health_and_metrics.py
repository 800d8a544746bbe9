"""/healthz, /readyz and /metrics."""

import os
import re
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine

from app.database.engines import write_obstacle
from app.database.store import Store
from app.migrations.run import upgrade
from app.operations import metrics
from app.operations.health import check_health
from tests.api import Admin
from tests.conftest import StartServer
from tests.contract.world import KINDS, create_world
from tests.live import LiveServer


def count(server: LiveServer, name: str, **labels: str) -> float:
    """Return the sum of a metric's samples that carry these labels."""
    total = 0.0
    for line in present_metrics(server).splitlines():
        if line.startswith(name + "{") and all(f'{label}="{value}"' in line for label, value in labels.items()):
            total += float(line.rpartition(" ")[2])
    return total


def present_metrics(server: LiveServer) -> str:
    """Return metrics that were not made before this call; as each call is counted, they differ from those before."""
    before = server.http.get("/metrics").text
    deadline = time.monotonic() + 2 * metrics.MOST_RENDERINGS
    while (text := server.http.get("/metrics").text) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return text


@pytest.mark.contract("`/healthz`")
def test_healthz_says_that_the_process_answers(server: LiveServer) -> None:
    assert server.http.get("/healthz").json() == {"status": "ok"}


@pytest.mark.contract("`/readyz`: database, Redis where set, migrated")
def test_readyz_says_that_the_database_is_there_and_migrated(server: LiveServer) -> None:
    answer = server.http.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]) == (200, {"database": "ok", "migrations": "ok"})


@pytest.mark.contract("`/readyz`: database, Redis where set, migrated")
def test_readyz_is_503_when_the_database_is_not_migrated(fresh_server: StartServer) -> None:
    live = fresh_server()
    live.database.execute("UPDATE alembic_version SET version_num = '0001'")
    answer = httpx.get(f"{live.url}/readyz", trust_env=False, verify=False)
    assert answer.status_code == 503
    assert answer.json() == {"status": "failed", "checks": {"database": "ok", "migrations": "failed"}}


def test_a_node_goes_on_while_an_upgrade_widens_the_tables(fresh_server: StartServer) -> None:
    live = fresh_server()
    for table in ("user", "role", "resource", "permission", "client", "client_secret", "personal_access_token"):
        live.database.execute(f'ALTER TABLE "{table}" ADD COLUMN of_the_next_version VARCHAR(10)')
    live.database.execute("UPDATE alembic_version SET version_num = '9999'")
    world = create_world(Admin(live))
    assert all(world.admin.introspect(world.issue(kind).token)["active"] for kind in KINDS)
    answer = live.http.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["migrations"]) == (200, "ok")


@pytest.mark.contract("`/readyz`: database, Redis where set, migrated")
def test_readyz_is_503_when_redis_does_not_answer_and_healthz_is_not(fresh_server: StartServer) -> None:
    live = fresh_server(redis_url="redis://127.0.0.1:1/0")
    answer = httpx.get(f"{live.url}/readyz", trust_env=False, verify=False)
    assert (answer.status_code, answer.json()["checks"]["redis"]) == (503, "failed")
    assert live.http.get("/healthz").status_code == 200


@pytest.mark.contract("`/metrics`: issued, introspected, refused by kind and outcome; latencies")
def test_metrics_add_up_over_the_worker_processes(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    before = count(live, "latchkey_request_seconds_count", route="/healthz", method="GET", status="2xx")
    for _ in range(40):
        httpx.get(
            f"{live.url}/healthz", trust_env=False, verify=False
        )  # a connection each, so that both workers get some
    after = count(live, "latchkey_request_seconds_count", route="/healthz", method="GET", status="2xx")
    assert after - before == 40
    assert len({file.name for file in (live.instance / "metrics" / str(live.port)).glob("histogram_*.db")}) == 2


@pytest.mark.contract("Prometheus' folder: emptied at a start")
def test_metrics_count_from_the_start_of_the_server(fresh_server: StartServer) -> None:
    live = fresh_server()
    for _ in range(5):
        live.http.get("/healthz")
    live.restart()
    assert count(live, "latchkey_request_seconds_count", route="/healthz") < 5


@pytest.mark.asvs("13.4.5")
def test_no_path_is_a_label(server: LiveServer) -> None:
    server.http.get("/no/such/place-of-ours")
    text = present_metrics(server)
    assert "place-of-ours" not in text
    assert re.search(r'latchkey_request_seconds_count\{method="GET",route="none",status="4xx"\}', text)


@pytest.mark.contract("`/metrics`: issued, introspected, refused by kind and outcome; latencies")
def test_issued_and_introspected_credentials_are_counted_by_kind_and_outcome(server: LiveServer, admin: Admin) -> None:
    api = admin.resource(public=["counted:read"], identifier="https://counted.example")
    kinds = {"kind": "api_key", "outcome": "success"}
    issued = count(server, "latchkey_issued_total", **kinds)
    active = count(server, "latchkey_introspected_total", kind="api_key", outcome="active")
    inactive = count(server, "latchkey_introspected_total", kind="unknown", outcome="inactive")
    key = admin.api_key(api)["key"]
    assert admin.active(key)
    assert not admin.active("lk_key_nonsense")
    assert count(server, "latchkey_issued_total", **kinds) == issued + 1
    assert count(server, "latchkey_introspected_total", kind="api_key", outcome="active") == active + 1
    assert count(server, "latchkey_introspected_total", kind="unknown", outcome="inactive") == inactive + 1


@pytest.mark.asvs("16.3.3")
@pytest.mark.contract("`/metrics`: issued, introspected, refused by kind and outcome; latencies")
def test_refusals_are_counted_by_kind_and_outcome(server: LiveServer, admin: Admin) -> None:
    def refused(outcome: str) -> float:
        return count(server, "latchkey_refused_total", outcome=outcome)

    api = admin.resource(public=["refused:read"], identifier="https://refused.example")
    key = admin.api_key(api)["key"]
    invalid, insufficient = refused("invalid_token"), refused("insufficient_scope")
    assert admin.forward_auth("lk_key_nonsense", api).status_code == 401
    assert admin.forward_auth(key, api, "refused:write").status_code == 403
    assert (refused("invalid_token"), refused("insufficient_scope")) == (invalid + 1, insufficient + 1)


def test_every_issuing_route_is_there(server: LiveServer, admin: Admin) -> None:
    paths = admin.get("/openapi.json").json()["paths"]
    for method, route in metrics.ISSUING:
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", route)
        assert method.lower() in paths.get(path, paths.get(path.removeprefix("/api/v1"), {})), (path, list(paths))


def test_a_refused_call_of_the_api_is_counted_by_the_kind_that_came(server: LiveServer, admin: Admin) -> None:
    def refused(**labels: str) -> float:
        return count(server, "latchkey_refused_total", **labels)

    nobody, machine = refused(kind="unknown"), refused(kind="client_credentials", outcome="forbidden")
    token = admin.m2m(admin.client([admin.role("machine", ["resources:read"])]))
    assert admin.get("/users", auth=False).status_code == 401
    assert admin.get("/users", auth=token).status_code == 403
    assert refused(kind="unknown") == nobody + 1
    assert refused(kind="client_credentials", outcome="forbidden") == machine + 1


def test_a_flood_of_calls_makes_the_metrics_a_few_times(fresh_server: StartServer) -> None:
    live = fresh_server()
    began = time.monotonic()
    texts = Counter(live.http.get("/metrics").text for _ in range(100))
    assert len(texts) <= metrics.MOST_RENDERINGS + 1 + time.monotonic() - began  # one more in each second that passed


@pytest.mark.contract("`/metrics`: issued, introspected, refused by kind and outcome; latencies")
@pytest.mark.spec("RFC 6750 §2.1")
def test_with_a_metrics_token_the_metrics_need_it(fresh_server: StartServer) -> None:
    token = "metrics-token-0123456789"
    live = fresh_server(metrics_token=token)
    refused: list[dict[str, Any]] = [
        {},
        {"Authorization": f"Bearer {token}x"},
        {"Authorization": f"Basic {token}"},
        {"Authorization": token},
    ]
    for headers in [*refused, {"Authorization": "Bearer \xff".encode("latin-1")}]:
        answer = httpx.get(f"{live.url}/metrics", headers=headers, trust_env=False, verify=False)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="metrics"')
        assert "latchkey_" not in answer.text and token not in answer.text
    for scheme in ("Bearer", "bearer"):
        answer = httpx.get(
            f"{live.url}/metrics", headers={"Authorization": f"{scheme} {token}"}, trust_env=False, verify=False
        )
        assert answer.status_code == 200 and "latchkey_request_seconds" in answer.text
    assert token not in live.log_text()


@pytest.mark.contract("`/readyz`: database, Redis where set, migrated")
def test_readyz_names_what_hinders_writes_and_leaves_the_database_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'latchkey.db'}"
    upgrade(url)
    store = Store(create_engine(url))
    assert check_health(store, None).checks == {"database": "ok", "migrations": "ok"}
    monkeypatch.setattr(os, "access", lambda *_: False)  # as on a file system that is mounted read-only
    found = check_health(store, None)
    assert found.checks == {"database": "ok", "migrations": "ok", "writes": "failed"}
    assert not found.ready and found.describe() == "writes: read-only"
    store.dispose()


def test_a_disk_without_room_hinders_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = create_engine(f"sqlite:///{tmp_path / 'latchkey.db'}")
    with engine.connect() as connection:
        connection.exec_driver_sql("CREATE TABLE one (id INTEGER)")
        assert write_obstacle(connection) is None
        monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=4096))
        assert write_obstacle(connection) == "no room on its disk"
