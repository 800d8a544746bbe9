"""The fast lane is logged like everything else, gives way to Flask when it fails, and is bounded and optional."""

import gc
import hashlib
import itertools
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app import create_app
from app.crypto.opaque import Prefix, mint
from app.fast_lane.lane import Lane
from app.fast_lane.memory import Answer, Bounded, CacheGeneration
from app.models import PersonalAccessToken
from app.operations import logs, metrics
from app.operations.request_log import Entry, Place, RequestLog
from tests.api import Admin
from tests.conftest import StartServer
from tests.core import ORDERS
from tests.fast_lane.conftest import OwnLanes
from tests.fast_lane.lanes import Asked, Lanes, basic
from tests.operations.test_health_and_metrics import count

PLACE = Place("POST", "/oauth/introspect", "/oauth/introspect")


def introspect(lanes: Lanes, token: str) -> Asked:
    return Asked("/oauth/introspect", body=f"token={token}".encode(), headers={"AUTHORIZATION": basic(lanes.wire.shop)})


def memory(lanes: Lanes) -> CacheGeneration:
    fast: Any = lanes._fast
    generation: CacheGeneration = fast._routes["/oauth/introspect"][0]._memory.generation()
    return generation


@pytest.mark.asvs("14.2.2")
@pytest.mark.contract("what is kept is bounded, by use, and no secret in clear")
def test_a_bounded_memory_keeps_what_is_used_and_never_more() -> None:
    kept: Bounded[int] = Bounded(100)
    keys = [hashlib.sha256(str(i).encode()).digest() for i in range(1_000)]
    for i, key in enumerate(keys):
        kept.put(key, i)
        assert len(kept) <= 100
        assert kept.get(keys[0]) == 0
    assert kept.get(keys[-1]) == 999
    assert kept.get(keys[500]) is None


@pytest.mark.asvs("14.2.2")
@pytest.mark.contract("what is kept is bounded, by use, and no secret in clear")
def test_no_secret_is_kept_in_clear(own_lanes: OwnLanes) -> None:
    lanes = own_lanes()
    token = lanes.core.pat("alice", "orders:read")[1]
    asked = introspect(lanes, token)
    assert lanes.fast(asked).taken
    assert lanes.fast(
        Asked("/oauth/forward-auth", "GET", query=f"resource={ORDERS}", headers={"X_API_KEY": token})
    ).taken
    generation = memory(lanes)
    assert len(generation.answers) == 2
    seen: list[Any] = [generation]
    known: set[int] = set()
    while seen:
        held = seen.pop()
        if id(held) in known or isinstance(held, type) or len(known) > 3_000:
            continue
        known.add(id(held))
        assert not isinstance(held, str | bytes) or token not in str(held)
        assert not isinstance(held, str | bytes) or lanes.wire.shop[1] not in str(held)
        if isinstance(held, dict | list | tuple) or type(held).__module__.startswith("app."):
            seen += gc.get_referents(held)
    assert any(isinstance(held, Answer) for held in generation.answers._kept.values())


@pytest.mark.contract("metrics, log lines and last uses, in batches, none lost")
def test_every_use_is_noted(own_lanes: OwnLanes) -> None:
    lanes = own_lanes()
    view, token = lanes.core.pat("alice", "orders:read")
    for _ in range(3):
        lanes.core.clock.advance(seconds=5)
        lanes.raw(introspect(lanes, token))
    lanes.core.actions.usage.flush()
    with lanes.core.store.reading() as session:
        assert session.get_one(PersonalAccessToken, view.id).last_used_at == lanes.core.clock()


@pytest.mark.asvs("16.5.3")
def test_a_failure_in_the_lane_is_spoken_by_flask(own_lanes: OwnLanes, monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = own_lanes()
    asked = introspect(lanes, lanes.core.pat("alice", "orders:read")[1])
    expected = lanes.plain(asked)
    monkeypatch.setattr("app.fast_lane.introspection.introspect", None)
    reply = lanes.fast(asked)
    assert (reply.taken, reply.status, reply.headers, reply.body) == (
        False,
        expected.status,
        expected.headers,
        expected.body,
    )
    assert any(line["event"] == "the fast lane gives way" for line in map(json.loads, lanes.lines))


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_connection_that_ended_is_replaced_within_the_request(own_lanes: OwnLanes, asked_before: bool) -> None:
    lanes = own_lanes()
    asked = introspect(lanes, lanes.core.pat("alice", "orders:read")[1])
    if asked_before:
        lanes.fast(asked)
    lanes.core.store.driver_connection().close()
    reply = lanes.fast(asked)
    assert reply.taken and reply.status == "200 OK" and b'"active": true' in reply.body


def test_a_wrong_secret_leaves_its_trace(own_lanes: OwnLanes) -> None:
    lanes = own_lanes()
    wrong = {"AUTHORIZATION": basic(("shop", mint(Prefix.CLIENT_SECRET)))}
    for _ in range(2):
        assert not lanes.fast(Asked("/oauth/introspect", body=b"token=x", headers=wrong)).taken
    assert [event.target for event in lanes.core.trace("authentication.fail")] == ["shop", "shop"]


@pytest.mark.contract("a setting turns the fast lane off")
def test_the_setting_takes_the_lane_away(own_lanes: OwnLanes) -> None:
    settings = own_lanes().core.actions.settings
    assert settings.fast_lane
    assert isinstance(create_app(settings).wsgi_app, Lane)
    off = settings.model_copy(update={"fast_lane": False})
    assert not isinstance(create_app(off).wsgi_app, Lane)


def test_an_issuer_with_a_path_has_its_lane_there_too(own_lanes: OwnLanes) -> None:
    lanes = own_lanes(issuer="https://login.example/auth")
    asked = introspect(lanes, lanes.core.pat("alice", "orders:read")[1])
    for path in ("/oauth/introspect", "/auth/oauth/introspect"):
        reply = lanes.both(Asked(path, body=asked.body, headers=asked.headers))
        assert reply.taken and reply.lines[0]["path"] == path
    assert not lanes.both(Asked("/auth/auth/oauth/introspect", body=asked.body, headers=asked.headers)).taken


@pytest.mark.contract(
    "an issuer with a path works behind proxies that remove it and that keep it; only a trusted one says which"
)
def test_a_prefix_that_a_proxy_removed_means_the_same_to_both_lanes(own_lanes: OwnLanes) -> None:
    lanes = own_lanes(issuer="https://login.example/auth", trusted_proxies="10.0.0.0/8")
    plain = introspect(lanes, lanes.core.pat("alice", "orders:read")[1])
    for prefix, peer in itertools.product(("/auth", "/evil", "", "/auth, /evil"), ("10.0.0.1", "192.0.2.1")):
        asked = plain.with_headers(X_FORWARDED_PREFIX=prefix).with_environ(REMOTE_ADDR=peer)
        removed = (prefix, peer) == ("/auth", "10.0.0.1")
        status = lanes.both(replace(asked, path="/auth/oauth/introspect")).status
        assert status[:3] == ("404" if removed else "200"), (prefix, peer)
        assert lanes.both(replace(asked, path="/oauth/introspect")).taken


def entry(number: int, adds: Callable[[float], None] | None = None) -> Entry:
    return Entry(1_900_000_000.25 + number, f"r{number}", PLACE, 0.0004 * number, "::1", "pat_1", adds)


def test_a_request_log_writes_at_once_until_it_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(logs, "write", written.append)
    monkeypatch.setattr(logs, "is_written", lambda level: level == "info")
    told: list[float] = []
    log = RequestLog(pause=60)
    log.add(entry(1, told.append))
    assert len(written) == 1 and told == [1]
    assert json.loads(written[0]) == {
        "request_id": "r1",
        "method": "POST",
        "path": "/oauth/introspect",
        "route": "/oauth/introspect",
        "status": 200,
        "duration_ms": 0.4,
        "remote_address": "::1",
        "credential_id": "pat_1",
        "event": "request",
        "level": "info",
        "time": "2030-03-17T17:46:41.250000Z",
    }
    log.start()
    for number in range(2, 30):
        log.add(entry(number, told.append))
    assert len(written) == 1
    log.flush()
    assert len(written) == 2 and len(written[1].splitlines()) == 28 and told == [1, 28]
    log.flush()
    assert len(written) == 2


def test_a_started_request_log_writes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    written, all_there = [], threading.Event()

    def write(lines: str) -> None:
        written.extend(lines.splitlines())
        if len(written) == 500:
            all_there.set()

    monkeypatch.setattr(logs, "write", write)
    monkeypatch.setattr(logs, "is_written", lambda level: True)
    log = RequestLog(pause=0.001)
    log.start()
    for number in range(500):
        log.add(entry(number))
    assert all_there.wait(10)
    assert [json.loads(line)["request_id"] for line in written] == [f"r{number}" for number in range(500)]


def test_a_log_that_cannot_be_written_hinders_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_lines: str) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(logs, "write", fail)
    told: list[float] = []
    RequestLog().add(entry(1, told.append))
    assert told == [1]


def test_many_durations_are_counted_as_one_by_one() -> None:
    seconds = [0.0, 0.0001, 0.0005, 0.00051, 0.3, 7.0, 11.0]
    for one in seconds:
        metrics._latency.labels("GET", "/one/by/one", "2xx").observe(one)
    metrics.count_successes("GET", "/all/at/once", seconds)

    def samples(route: str) -> dict[str, float]:
        [family] = metrics._latency.collect()
        found = [sample for sample in family.samples if sample.labels.get("route") == route]
        return {f"{s.name} {s.labels.get('le')}": s.value for s in found if not s.name.endswith("_created")}

    assert samples("/all/at/once") == samples("/one/by/one")
    assert len(samples("/all/at/once")) == 16


@pytest.mark.contract("metrics, log lines and last uses, in batches, none lost")
def test_a_stopped_server_has_logged_every_request(fresh_server: StartServer) -> None:
    live = fresh_server(workers=2)
    admin = Admin(live)
    api = admin.resource(public=["counted:read"])
    client, key = admin.client(serves=[api]), admin.api_key(api)["key"]
    with httpx.Client(base_url=live.url, auth=client.basic, trust_env=False, verify=False) as http:
        for number in range(300):
            sent = {"X-Request-Id": f"numbered-{number}"}
            assert http.post("/oauth/introspect", data={"token": key}, headers=sent).json()["active"]
    admin.http.close()
    live.stop()
    ids = [record.get("request_id", "") for record in live.log_records()]
    assert sorted(i for i in ids if i.startswith("numbered-")) == sorted(f"numbered-{number}" for number in range(300))
    assert live.database.execute("SELECT count(*) FROM api_key WHERE last_used_at IS NULL") == [(0,)]


@pytest.mark.contract("metrics, log lines and last uses, in batches, none lost")
def test_what_the_lane_answers_is_counted(fresh_server: StartServer) -> None:
    live = fresh_server()
    admin = Admin(live)
    api = admin.resource(public=["counted:read"])
    client, key = admin.client(serves=[api]), admin.api_key(api)["key"]
    before = count(live, "latchkey_request_seconds_count", route="/oauth/introspect")
    for _ in range(20):
        assert admin.active(key, client)
    assert count(live, "latchkey_request_seconds_count", route="/oauth/introspect") == before + 20
    assert count(live, "latchkey_introspected_total", kind="api_key", outcome="active") == 20
    admin.http.close()


@pytest.mark.contract("metrics, log lines and last uses, in batches, none lost")
def test_a_refusal_is_counted_once_by_its_reason_in_either_lane(fresh_server: StartServer) -> None:
    live = fresh_server()
    admin = Admin(live)
    client = admin.client(serves=[admin.resource(public=["counted:read"])])
    for accept in ("application/json", "application/json, text/html"):  # Flask answers the second
        before = count(live, "latchkey_refusals_total", reason="unknown")
        with httpx.Client(base_url=live.url, auth=client.basic, trust_env=False, verify=False) as http:
            for _ in range(5):
                answer = http.post("/oauth/introspect", data={"token": mint(Prefix.PAT)}, headers={"Accept": accept})
                assert answer.json() == {"active": False}
        assert count(live, "latchkey_refusals_total", reason="unknown") == before + 5
    admin.http.close()


def test_the_parent_of_a_trace_is_handed_on_by_both_lanes(lanes: Lanes) -> None:
    token = lanes.core.pat("alice", "orders:read")[1]
    sent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answered = lanes.both(introspect(lanes, token).with_headers(TRACEPARENT=sent))
    assert answered.taken
    assert [(span.kind, span.traceparent) for span in answered.spans] == [("personal_access_token", sent)]
