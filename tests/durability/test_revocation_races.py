"""Many introspect while one revokes: no introspection after the acknowledgement gets the old state (RFC 7009 §2)."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlencode, urlsplit

import pytest

from tests.api import Admin, expect
from tests.contract.world import World, create_world
from tests.live import LiveServer
from tests.oauth.wire import basic

pytestmark = pytest.mark.both_databases

THREADS = 50
FORM = "application/x-www-form-urlencoded"
LONGEST = 20.0  # seconds of a race, at the most
Taking = Callable[[World, str], None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """An organisation on a server of three processes."""
    live = LiveServer(tmp_path_factory.mktemp("race") / "instance", workers=3).start()
    yield create_world(Admin(live))
    live.stop()


class Race:
    """Fifty threads that introspect; each records when a request began and its answer."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._token = token
        self._over = threading.Event()
        self.heard: list[tuple[float, bool]] = []
        self._threads = [threading.Thread(target=self._ask) for _ in range(THREADS)]

    def run(self, take: Callable[[], None]) -> float:
        """Introspect before, during and after a removal; return when the removal was acknowledged."""
        for thread in self._threads:
            thread.start()
        self._until(100)
        take()
        acknowledged = time.monotonic()
        self._until(len(self.heard) + 150)
        self._over.set()
        for thread in self._threads:
            thread.join(LONGEST)
        return acknowledged

    def _until(self, answers: int) -> None:
        deadline = time.monotonic() + LONGEST
        while len(self.heard) < answers and time.monotonic() < deadline:
            self._over.wait(0.005)
        assert len(self.heard) >= answers, "the server is too slow for a race"

    def _ask(self) -> None:
        """Introspect by a connection of one's own; httpx costs more than the server."""
        server = urlsplit(self._world.admin.server.url)
        body, headers = urlencode({"token": self._token}), {"Content-Type": FORM}
        headers["Authorization"] = basic(*self._world.resource_server.basic)
        with closing(HTTPConnection(server.hostname or "", server.port, timeout=LONGEST)) as http:
            while not self._over.is_set():
                began = time.monotonic()
                http.request("POST", "/oauth/introspect", body, headers)
                response = http.getresponse()
                answer = json.loads(response.read())
                assert response.status == 200, answer
                self.heard.append((began, answer["active"] and answer["scope"] != ""))


def by_holder(world: World, token: str) -> None:
    client = world.client if token.count(".") == 2 and "exchanged" not in world.admin.introspect(token) else None
    expect(200, world.admin.revoke(token, client))


def by_source(world: World, token: str) -> None:
    reported = {"credentials": [SOURCES[token]]}
    expect(202, world.admin.post("/credentials/revoke", reported, auth=False))


def role_taken(world: World, token: str) -> None:
    world.admin.change(f"/users/{world.user.id}", {"roles": []})


def user_disabled(world: World, token: str) -> None:
    world.admin.change(f"/users/{world.user.id}", {"enabled": False})


def client_disabled(world: World, token: str) -> None:
    [client] = world.admin.get("/clients", params={"client_id": world.client.client_id}).json()["items"]
    world.admin.change(f"/clients/{client['id']}", {"enabled": False})


def regenerated(world: World, token: str) -> None:
    owned = world.admin.get("/me/personal-access-tokens", auth=world.user.basic).json()["items"]
    [live] = [one for one in owned if one["status"] == "active" and one["hint"].endswith(token[-4:])]
    path = f"/me/personal-access-tokens/{live['id']}/regenerate"
    expect(200, world.admin.post(path, auth=world.user.basic))


def rotated(world: World, token: str) -> None:
    key_id = world.admin.introspect(token)["jti"]
    expect(200, world.admin.post(f"/api-keys/{key_id}/rotate", {"overlap_seconds": 0}))


SOURCES: dict[str, str] = {}


def exchanged(world: World) -> str:
    source = world.issue("pat").token
    made = str(expect(200, world.admin.exchange(source, "personal_access_token")).json()["access_token"])
    SOURCES[made] = source
    return made


@pytest.mark.asvs("RFC 9700 §4.8–4.9")
@pytest.mark.contract(
    "a change takes effect at the next introspection, on every node", "revocation: effective on every node at once"
)
@pytest.mark.parametrize(
    ("kind", "take"),
    [
        ("pat", by_holder),
        ("api_key", by_holder),
        ("m2m", by_holder),
        ("exchanged", by_holder),
        ("exchanged", by_source),
        ("pat", regenerated),
        ("api_key", rotated),
        ("pat", role_taken),
        ("pat", user_disabled),
        ("m2m", client_disabled),
    ],
)
def test_no_request_after_the_revocation_is_answered_active(world: World, kind: str, take: Taking) -> None:
    world.admin.change(f"/users/{world.user.id}", {"roles": [world.user_role["name"]], "enabled": True})
    token = exchanged(world) if kind == "exchanged" else world.issue(kind).token  # type: ignore[arg-type]
    race = Race(world, token)
    acknowledged = race.run(lambda: take(world, token))
    assert any(active for began, active in race.heard if began < acknowledged)
    late = [active for began, active in race.heard if began > acknowledged]
    assert len(late) >= 50
    assert not any(late), f"{sum(late)} of {len(late)} heard active after {take.__name__} was acknowledged"
