"""The audit trail at scale: an index for each filter in the list's order, and one query for the names of a table."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text

from app.actions.audit.read import AuditFilter
from app.models import AuditEvent
from tests.actions.insight.crowd import plan, statements
from tests.core import ORDERS, START, Core, furnish, start_core

pytestmark = pytest.mark.both_databases

EVENTS, LIMIT, HOUR = 20_000, 50, timedelta(hours=1)
LISTED = "ix_audit_event_listed"
ACTIONS = ("user_session.begin", "api_key.create", "role.update", "authentication.fail")
FILTERS: dict[str, tuple[AuditFilter, str]] = {  # and the index that finds the events in their order
    "all": (AuditFilter(), LISTED),
    "since": (AuditFilter(since=START - 900 * HOUR), LISTED),
    "until": (AuditFilter(until=START - EVENTS / 2 * HOUR), LISTED),
    "actor": (AuditFilter(actor="usr_7"), "ix_audit_event_by_actor"),
    "action": (AuditFilter(action="role.update"), "ix_audit_event_by_action"),
    "target": (AuditFilter(target="key_3"), "ix_audit_event_by_target"),
    "a month of an actor": (
        AuditFilter(actor="usr_7", since=START - 720 * HOUR, until=START),
        "ix_audit_event_by_actor",
    ),
}


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    made = start_core(tmp_path_factory.mktemp("events"))
    furnish(made)
    with made.store.transaction() as session:
        session.connection().execute(insert(AuditEvent), [_event(made, number) for number in range(1, EVENTS + 1)])
    if made.store.dialect == "postgresql":  # as autovacuum does
        with made.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
    yield made
    made.actions.usage.stop()
    made.store.dispose()


def _event(core: Core, number: int) -> dict[str, Any]:
    """Return an event: the newest has the highest number, and every tenth is about something that exists."""
    kind, target = ("user", core.row_id("alice")) if number % 10 == 0 else ("api_key", f"key_{number % 8}")
    return {
        "id": number,
        "at": START - (EVENTS - number) * HOUR,
        "actor_type": "user" if number % 2 else "client",
        "actor": f"usr_{number % 8}" if number % 2 else "robot",
        "actor_name": "",
        "action": ACTIONS[number % len(ACTIONS)],
        "target_type": kind,
        "target": target,
        "details": {"resource": ORDERS, "user": core.row_id("alice")},
    }


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_is_read_from_an_index_in_its_order(core: Core, name: str) -> None:
    wanted, index = FILTERS[name]
    usable = {index, LISTED} if core.store.dialect == "postgresql" else {index}  # it knows how many events match
    first, before = core.actions.audit.page(wanted, LIMIT, None)
    assert [event.at for event in first] == sorted((event.at for event in first), reverse=True) and first
    for after in (None, before or first[0].id):
        with statements(core) as sent:
            core.actions.audit.page(wanted, LIMIT, after)
        how = plan(core, *sent[-1])
        assert any(one in how for one in usable) and "Sort" not in how and "TEMP B-TREE" not in how, how


def test_the_pages_are_one_list_without_gaps(core: Core) -> None:
    wanted, read, before = AuditFilter(action="role.update", since=START - 999 * HOUR), [], None
    while True:
        events, before = core.actions.audit.page(wanted, LIMIT, before)
        read += [event.id for event in events]
        if before is None:
            break
    assert read == sorted(set(read), reverse=True) and len(read) == 250


def test_a_page_whose_first_event_is_gone_begins_at_the_next_one(core: Core) -> None:
    [newest] = core.actions.audit.page(AuditFilter(), 1, None)[0]
    assert core.actions.audit.page(AuditFilter(), 1, newest.id + 7)[0][0].id == newest.id
    assert core.actions.audit.page(AuditFilter(), 1, 0) == ([], None)


def test_the_names_of_a_page_take_one_query_for_each_table(core: Core) -> None:
    events, _ = core.actions.audit.page(AuditFilter(), 200, None)
    with statements(core) as sent:
        names = core.actions.event_names.of(events)
    assert len(sent) == 4  # users, clients, keys and resources
    assert names["client", "robot"].name == "robot" and names["resource", ORDERS].id == core.row_id(ORDERS)
    assert names["user", core.row_id("alice")].name == "alice" and ("api_key", "key_1") not in names
