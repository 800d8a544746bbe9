"""Floods of invalid requests cost little and end in 429; valid requests pass meanwhile."""

import json
import re
from typing import Any

import pytest
import redis
from sqlalchemy import event

from app.actions.limits.abuse import (
    CLIENTS_OF_ADDRESS,
    CREDENTIALS_OF_ADDRESS,
    LEAK_REPORTS,
    LEAKED_CREDENTIALS,
    neighbourhood,
)
from app.crypto.opaque import Prefix, mint
from app.management.credentials import MOST_CREDENTIALS
from app.models import SpentLimit
from tests.oauth.wire import ORDERS, STOCK, refused
from tests.security.siege import ATTACKER, GARBAGE, HOME, OTHER, Siege, must_wait

pytestmark = pytest.mark.both_databases

PROBLEM, JSON = "application/problem+json", "application/json"
WINDOW = CREDENTIALS_OF_ADDRESS.window_seconds


def credentials_of(siege: Siege) -> list[str]:
    """Return a valid credential of each kind."""
    core = siege.wire.core
    key, machine = core.key(scopes=["orders:list"])[1], core.m2m("robot", "orders:read")
    return [core.pat("alice", "orders:read", name=mint(Prefix.PAT)[-9:])[1], key, machine]


def spend(siege: Siege, address: str = ATTACKER, but: int = 0) -> None:
    siege.spend(CREDENTIALS_OF_ADDRESS.of(neighbourhood(address)), but)


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("floods of bad credentials and of reports end in 429, what is good passes")
def test_bad_credentials_at_a_gateway_wait_and_good_ones_pass(siege: Siege) -> None:
    good = credentials_of(siege)
    answers = [siege.forward_auth(GARBAGE, node=n % 2).status_code for n in range(CREDENTIALS_OF_ADDRESS.most)]
    assert set(answers) == {401}
    for bad in (GARBAGE, "x", mint(Prefix.API_KEY), good[2][:-4] + "AAAA"):
        for node in (0, 1):
            answer = siege.forward_auth(bad, node=node)
            assert must_wait(answer, JSON, WINDOW) and answer.json["error"] == "rate_limited"
            assert "WWW-Authenticate" not in answer.headers
    assert {siege.forward_auth(one, node=node).status_code for one in good for node in (0, 1)} == {200}
    assert siege.forward_auth(GARBAGE, OTHER).status_code == 401
    siege.pass_seconds(WINDOW)
    assert siege.forward_auth(GARBAGE).status_code == 401


def test_what_is_active_elsewhere_is_refused_as_what_is_not_active(alone: Siege) -> None:
    elsewhere = alone.wire.core.m2m("robot", "stock:read", STOCK)
    for expected in (401, 429):
        answers = [alone.forward_auth(token) for token in (GARBAGE, elsewhere)]
        assert {(answer.status_code, answer.text) for answer in answers} == {(expected, answers[0].text)}
        spend(alone)


def test_neither_nothing_nor_a_missing_scope_counts(alone: Siege) -> None:
    pat = credentials_of(alone)[0]
    spend(alone, but=1)
    lacking = f"/oauth/forward-auth?resource={ORDERS}&scope=orders:write"
    for _ in range(3):
        assert alone.forward_auth(None).status_code == 401
        asked = {"Authorization": f"Bearer {pat}"}
        assert alone.nodes[0].get(lacking, headers=asked, environ_base={"REMOTE_ADDR": ATTACKER}).status_code == 403
    assert [alone.forward_auth(GARBAGE).status_code for _ in range(2)] == [401, 429]
    assert alone.forward_auth(None).status_code == 401


def test_behind_a_trusted_gateway_the_callers_own_address_counts(alone: Siege) -> None:
    spend(alone, ATTACKER)
    assert alone.forward_auth(GARBAGE, "10.0.0.1", X_Forwarded_For=ATTACKER).status_code == 429
    assert alone.forward_auth(GARBAGE, "10.0.0.1", X_Forwarded_For=f"{ATTACKER}, {HOME}").status_code == 401
    assert alone.forward_auth(GARBAGE, OTHER, X_Forwarded_For=ATTACKER).status_code == 401
    assert alone.forward_auth(GARBAGE, ATTACKER, X_Forwarded_For=HOME).status_code == 429


@pytest.mark.contract("floods of bad credentials and of reports end in 429, what is good passes")
@pytest.mark.spec("RFC 8693 §2.2.2")
def test_bad_subject_tokens_count_unless_a_client_presents_them(siege: Siege) -> None:
    good = credentials_of(siege)[0]
    spend(siege, but=3)
    refused(siege.exchange(GARBAGE, auth=siege.wire.robot), 400, "invalid_request")
    for bad in (GARBAGE, "x", mint(Prefix.API_KEY)):
        refused(siege.exchange(bad), 400, "invalid_request")
    answer = siege.exchange(GARBAGE)
    refused(answer, 429, "temporarily_unavailable")
    assert must_wait(answer, JSON, WINDOW)
    assert siege.exchange(good).status_code == 200
    refused(siege.exchange(GARBAGE, auth=siege.wire.robot), 400, "invalid_request")
    refused(siege.exchange(GARBAGE, OTHER), 400, "invalid_request")


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("floods of bad credentials and of reports end in 429, what is good passes")
def test_reports_of_leaks_are_limited_by_address(siege: Siege) -> None:
    assert {siege.report(node=n % 2).status_code for n in range(LEAK_REPORTS.most)} == {202}
    for node in (0, 1):
        assert must_wait(siege.report(node=node), PROBLEM, LEAK_REPORTS.window_seconds)
    assert siege.report(OTHER).status_code == 202
    siege.pass_seconds(LEAK_REPORTS.window_seconds)
    assert siege.report().status_code == 202


@pytest.mark.contract("floods of bad credentials and of reports end in 429, what is good passes")
def test_reports_of_leaks_count_by_the_credentials_in_them(alone: Siege) -> None:
    full = LEAKED_CREDENTIALS.most // MOST_CREDENTIALS
    assert {alone.report(times=MOST_CREDENTIALS).status_code for _ in range(full)} == {202}
    assert must_wait(alone.report(), PROBLEM, LEAKED_CREDENTIALS.window_seconds)
    assert alone.report(OTHER).status_code == 202


@pytest.mark.contract("floods of bad credentials and of reports end in 429, what is good passes")
def test_nobody_who_introspects_garbage_waits(alone: Siege) -> None:
    spend(alone)
    alone.spend(CLIENTS_OF_ADDRESS.of(ATTACKER))
    assert alone.token(alone.wire.shop, endpoint="introspect").json == {"active": False}


def test_refusals_are_counted_by_the_metrics(alone: Siege) -> None:
    def refusals() -> float:
        page = alone.nodes[0].get("/metrics").text
        found = re.findall(r'latchkey_refused_total\{kind="unknown",outcome="rate_limited"\} (\S+)', page)
        return float(found[0]) if found else 0.0

    before = refusals()
    spend(alone)
    alone.spend(LEAK_REPORTS.of(neighbourhood(ATTACKER)))
    alone.forward_auth(GARBAGE)
    alone.report()
    assert refusals() == before + 2


def test_the_description_names_the_429(alone: Siege) -> None:
    described = json.loads(alone.nodes[0].get("/api/v1/openapi.json").text)["paths"]
    told = described["/api/v1/credentials/revoke"]["post"]["responses"]["429"]
    assert list(told["content"]) == [PROBLEM]


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("a flood costs no write; its events and counters are bounded and contain no names")
def test_a_flood_beyond_the_limit_and_what_is_good_write_nothing(alone: Siege) -> None:
    good, wire = credentials_of(alone), alone.wire
    alone.token(wire.robot)  # its status has an index from now on
    spend(alone)
    alone.spend(CLIENTS_OF_ADDRESS.of(neighbourhood(ATTACKER)))
    alone.forward_auth(GARBAGE), alone.token(("robot", "guess"))  # the node learns that these are spent
    written: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_rest: Any) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            written.append(statement)

    event.listen(wire.core.store.engine, "before_cursor_execute", note)
    try:
        for _ in range(5):
            assert alone.forward_auth(GARBAGE).status_code == 429
            assert alone.token(("robot", "guess")).status_code == 429
            assert {alone.forward_auth(one).status_code for one in good} == {200}
            assert alone.token(wire.robot).status_code == 200
    finally:
        event.remove(wire.core.store.engine, "before_cursor_execute", note)
    assert written == []


@pytest.mark.contract("a flood costs no write; its events and counters are bounded and contain no names")
def test_windows_that_ended_are_forgotten(siege: Siege) -> None:
    for number in range(20):
        siege.forward_auth(GARBAGE, f"192.0.2.{number}")
    siege.pass_seconds(WINDOW)
    siege.forward_auth(GARBAGE)
    if siege.redis_url:
        with redis.Redis.from_url(siege.redis_url) as kept:
            assert all(0 < kept.ttl(key) <= WINDOW for key in kept.scan_iter())
            assert kept.dbsize() == 1
    else:
        assert siege.wire.core.count(SpentLimit) == 1


@pytest.mark.contract("limits are held without Redis, with it, and while it is away")
def test_a_database_that_takes_no_count_refuses_as_before(alone: Siege) -> None:
    """What is bad is a 401 and not an error, though its count cannot be kept."""
    database = alone.wire.core.database
    database.execute("ALTER TABLE spent_limit RENAME TO spent_limit_away")
    try:
        assert alone.forward_auth(GARBAGE).status_code == 401
        refused(alone.exchange(GARBAGE), 400, "invalid_request")
    finally:
        database.execute("ALTER TABLE spent_limit_away RENAME TO spent_limit")
