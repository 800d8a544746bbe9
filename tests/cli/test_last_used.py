"""What was used is stored when the server stops, by each of its processes: the last use, and how many there were."""

import json
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests import fork_server
from tests.api import Admin, Json
from tests.conftest import StartServer
from tests.live import LiveServer, environment

pytestmark = pytest.mark.both_databases

CONNECTIONS = 12  # so that both of two workers get some
USES, REFUSALS = 5, 2  # of a key on each connection


def test_a_clean_stop_stores_the_last_uses(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    admin = Admin(live)
    api = admin.resource(public=["used:read"])
    keys = [admin.api_key(api) for _ in range(CONNECTIONS)]
    for key in keys:
        use(live, api, key, uses=1)
    admin.http.close()
    assert live.stop() == 0
    assert live.database.execute("SELECT count(last_used_at) FROM api_key") == [(len(keys),)]


@pytest.mark.contract("after SIGTERM exactly the uses are counted, of one process and of two")
@pytest.mark.parametrize("workers", [1, 2])
def test_each_use_before_a_clean_stop_is_counted_once(fresh_server: StartServer, workers: int) -> None:
    live = fresh_server(workers=workers)
    admin = Admin(live)
    api, other = admin.resource(public=["used:read"]), admin.resource()
    key = admin.api_key(api)
    with ThreadPoolExecutor(CONNECTIONS) as callers:
        for called in [callers.submit(use, live, api, key, USES, other) for _ in range(CONNECTIONS)]:
            called.result()
    admin.http.close()
    assert live.stop() == 0
    assert counts(live, key["id"]) == {"ok": CONNECTIONS * USES, "wrong_resource": CONNECTIONS * REFUSALS}


def use(live: LiveServer, api: Json, key: Json, uses: int, other: Json | None = None) -> None:
    """Use a key on a connection of its own, and have it refused at another API."""
    calls = [(api, 200)] * uses + ([(other, 401)] * REFUSALS if other else [])
    headers = {"X-API-Key": key["key"]}
    with httpx.Client(base_url=live.url, trust_env=False, verify=False, headers=headers, timeout=30) as gateway:
        for resource, status in calls:
            answer = gateway.get("/oauth/forward-auth", params={"resource": resource["identifier"]})
            assert answer.status_code == status


def counts(live: LiveServer, key_id: str) -> dict[str, int]:
    """Return the counts of a key by their outcome, as the command prints them."""
    command = ("usage", key_id, "--group-by", "outcome", "--json")
    printed = fork_server.run(command, environment(live.instance, live.settings))
    assert printed.returncode == 0, printed.stderr
    return {row["group"]: row["uses"] + row["refusals"] for row in json.loads(printed.stdout)}
