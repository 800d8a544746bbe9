"""Floods of registrations: how many rows strangers can add, in how much time, and that no row gives them anything."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import event

from app.actions.directory.app_metadata import LARGEST
from app.actions.limits.abuse import NEW_APPS, REGISTRATION_CHANGES, REGISTRATIONS_OF_ADDRESS
from app.models import AuditEvent, Client, ClientRole, ClientSecret, ClientServes
from tests.oauth.registering import CONFIDENTIAL, PUBLIC, Registry
from tests.oauth.wire import basic
from tests.processor_time import at_most
from tests.security.conftest import OwnSiege
from tests.security.siege import ATTACKER, Siege
from tests.security.test_tables_of_strangers import watch_writes

pytestmark = pytest.mark.both_databases

MOST_SECONDS = 30.0  # of CPU for 1,000 registrations, on a slow machine; they take some 3


@pytest.fixture
def opened(own_siege: OwnSiege) -> Siege:
    """Two nodes at which anybody may register an app."""
    return own_siege(registration="open").begin()


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("registration as a flood")
def test_a_thousand_at_once_from_one_address_add_as_many_rows_as_its_limit(opened: Siege) -> None:
    core, registry = opened.wire.core, Registry(opened.wire)
    before = {table: core.count(table) for table in (Client, ClientSecret, ClientRole, ClientServes, AuditEvent)}

    def register(_: int) -> int:
        return int(registry.register(CONFIDENTIAL, address=ATTACKER).status_code)

    began = time.process_time()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(register, range(1_000)))
    assert time.process_time() - began < MOST_SECONDS
    most = REGISTRATIONS_OF_ADDRESS.most
    assert {answer: answers.count(answer) for answer in set(answers)} == {201: most, 429: 1_000 - most}
    added = {table: core.count(table) - number for table, number in before.items()}
    assert added == {Client: most, ClientSecret: most, ClientRole: 0, ClientServes: 0, AuditEvent: most}


def test_what_is_beyond_the_limit_writes_nothing(opened: Siege) -> None:
    registry = Registry(opened.wire)
    opened.spend(REGISTRATIONS_OF_ADDRESS.at(ATTACKER))
    assert registry.register(address=ATTACKER).status_code == 429
    written: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_rest: Any) -> None:
        if not statement.lstrip().upper().startswith("SELECT"):
            written.append(statement)

    engine = opened.wire.core.store.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert {registry.register(address=ATTACKER).status_code for _ in range(20)} == {429}
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert written == []


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_all_addresses_together_add_as_many_rows_as_one_limit_for_a_day(opened: Siege) -> None:
    core, registry = opened.wire.core, Registry(opened.wire)
    core.actions.abuse_limits.count(NEW_APPS.of().times(NEW_APPS.most - 5))
    before = core.count(Client)
    answers = [registry.register(address=f"203.0.113.{number}").status_code for number in range(20)]
    assert answers == [201] * 5 + [429] * 15 and core.count(Client) == before + 5
    opened.pass_seconds(86_401)
    assert registry.register().status_code == 201
    assert core.count(Client) == before + 1


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_a_registration_by_anybody_adds_to_no_other_table(opened: Siege) -> None:
    registry = Registry(opened.wire)
    with watch_writes() as seen:
        app = registry.register(CONFIDENTIAL, address=ATTACKER).json
        named = {"client_id": app["client_id"]}
        app |= registry.configure("PUT", app, PUBLIC | named).json
        registry.configure("GET", app)
        registry.configure("DELETE", app)
    assert {table for verb, table in seen if verb == "INSERT INTO"} == {
        *("client", "client_secret", "audit_event", "spent_limit")
    }


@pytest.mark.asvs("2.4.1")
@pytest.mark.contract("registration as a flood")
def test_an_app_that_changes_its_registration_all_the_time_adds_as_many_rows_as_its_limit(opened: Siege) -> None:
    core, registry = opened.wire.core, Registry(opened.wire)
    made = app = registry.register(CONFIDENTIAL, address=ATTACKER).json
    before = {table: core.count(table) for table in (ClientSecret, AuditEvent)}
    for number in range(REGISTRATION_CHANGES.most + 10):
        asked = (PUBLIC, CONFIDENTIAL)[number % 2] | {"client_id": made["client_id"]}
        answer = registry.configure("PUT", app, asked)
        assert answer.status_code == (200 if number < REGISTRATION_CHANGES.most else 429)
        app = answer.json if answer.status_code == 200 else app
    added = {table: core.count(table) - number for table, number in before.items()}
    assert added == {ClientSecret: REGISTRATION_CHANGES.most // 2, AuditEvent: REGISTRATION_CHANGES.most}
    assert registry.configure("GET", app).status_code == 200
    opened.pass_seconds(REGISTRATION_CHANGES.window_seconds)
    assert registry.configure("PUT", app, PUBLIC | {"client_id": made["client_id"]}).status_code == 200


@pytest.mark.asvs("2.4.1")
def test_large_and_deep_bodies_cost_little(opened: Siege) -> None:
    registry = Registry(opened.wire)
    bodies = (b"[" * LARGEST, b'{"x": "' + b"\\u0000" * 2_700 + b'"}', b"9" * LARGEST, b'{"' + b"x" * LARGEST)
    for body in bodies:
        with at_most(1.0, body[:10]):
            answer = registry.register(data=body, content_type="application/json")
        assert answer.status_code in (400, 413) and len(answer.data) < 1_000


def test_an_app_that_registered_itself_gets_nothing_by_itself(opened: Siege) -> None:
    wire = opened.wire
    app = Registry(wire).register(CONFIDENTIAL).json
    pair = (app["client_id"], app["client_secret"])
    assert wire.token(pair).status_code == 400
    assert wire.introspect(wire.bearer, pair) == {"active": False}
    for token in (app["registration_access_token"], app["client_secret"]):
        headers = {"Authorization": f"Bearer {token}"}
        assert wire.http.get("/api/v1/clients", headers=headers).status_code == 401
        assert wire.ask(Authorization=f"Bearer {token}").status_code == 401
    assert wire.http.get("/api/v1/clients", headers={"Authorization": basic(*pair)}).status_code == 401
