"""Killed in the middle of a burst of changes and started again: what was acknowledged holds."""

import random
import threading
from dataclasses import dataclass, field

import httpx
import pytest
from sqlalchemy import create_engine

from app.actions.audit.verify import VerifyAudit
from app.database.store import Store
from tests.api import Admin, unique
from tests.conftest import StartServer
from tests.contract.world import World, create_world
from tests.databases import database_in
from tests.live import LiveServer

pytestmark = pytest.mark.both_databases

ROUNDS = 6  # on each database
WRITERS = 4


@dataclass
class Acknowledged:
    """The changes that the server acknowledged to its clients."""

    live: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)  # asked for, not answered
    lock: threading.Lock = field(default_factory=threading.Lock)


def writer(world: World, token: str, seen: Acknowledged, seed: int) -> None:
    """Create, rotate and revoke until the server is gone."""
    chance = random.Random(seed)
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=world.admin.server.url, headers=headers, timeout=10, trust_env=False, verify=False
    ) as http:
        mine: list[str] = []
        try:
            while True:
                if mine and chance.random() < 0.4:
                    end(http, mine.pop(chance.randrange(len(mine))), seen)
                else:
                    mine.append(begin(http, world, seen, pat=chance.random() < 0.5))
        except httpx.TransportError:
            return


def begin(http: httpx.Client, world: World, seen: Acknowledged, *, pat: bool) -> str:
    if pat:
        path, body = f"/api/v1/users/{world.user.id}/personal-access-tokens", {"scopes": [world.read]}
    else:
        path, body = "/api/v1/api-keys", {"resource": world.identifier}  # type: ignore[dict-item]
    made = http.post(path, json={"name": unique("burst")} | body)
    assert made.status_code == 201, made.text
    secret = str(made.json()["token" if pat else "key"])
    with seen.lock:
        seen.live.add(secret)
    return secret


def end(http: httpx.Client, secret: str, seen: Acknowledged) -> None:
    with seen.lock:
        seen.live.discard(secret)
        seen.unsure.add(secret)
    assert http.post("/oauth/revoke", data={"token": secret}).status_code == 200
    with seen.lock:
        seen.unsure.discard(secret)
        seen.revoked.add(secret)


def burst(server: LiveServer, world: World, seen: Acknowledged, seed: int) -> None:
    """Run the writers, and kill the server meanwhile."""
    token = world.admin.token()
    writers = [
        threading.Thread(target=writer, args=(world, token, seen, seed * WRITERS + number)) for number in range(WRITERS)
    ]
    before = len(seen.live) + len(seen.revoked)
    for thread in writers:
        thread.start()
    patience = threading.Event()
    for _ in range(400):
        if len(seen.live) + len(seen.revoked) - before >= 15 + seed % 20:  # some way into the burst, never the same
            break
        patience.wait(0.01)
    server.kill()
    for thread in writers:
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.asvs("2.3.3", "16.5.3")
@pytest.mark.contract(
    "acknowledged changes survive `kill -9`",
    "many writers make one unbroken chain, and nothing is lost",
    "SIGKILL under load: nothing acknowledged is lost; a killed worker is replaced",
)
def test_what_was_acknowledged_holds_after_a_kill(fresh_server: StartServer) -> None:
    server = fresh_server(workers=2)
    world = create_world(Admin(server))
    for seed in range(ROUNDS):
        seen = Acknowledged()
        burst(server, world, seen, seed)
        server.start()
        assert len(seen.live) + len(seen.revoked) >= 10, "the writers were too slow for a burst"
        for secret in seen.live:
            assert world.admin.active(secret, world.resource_server), f"round {seed}: an acknowledged creation is gone"
        for secret in seen.revoked:
            assert not world.admin.active(secret, world.resource_server), f"round {seed}: a revocation is gone"
    store = Store(create_engine(database_in(server.instance).url))
    assert VerifyAudit(store)().intact
    store.dispose()
