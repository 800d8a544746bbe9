"""The chain of the audit events shows what was changed, removed or inserted; many writers make one chain."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import DatabaseError, DBAPIError

from app.actions.audit.actor import Actor
from app.actions.audit.chain import FIELDS, chain_the_unchained, event_hash
from app.actions.audit.read import Span, export
from app.actions.audit.record import record
from app.actions.audit.verify import Place, Verdict, VerifyAudit, verify_export
from app.database.store import Store
from app.database.types import EPOCH, MICROSECOND
from app.models import AuditEvent
from app.models.audit_event import NO_HASH, UNCHAINED
from tests.core import START, Core

pytestmark = pytest.mark.both_databases

EVENTS = 8
ANN = Actor(type="user", id="usr_ann", name="ann", address="192.0.2.1", request_id="r-1")
OTHER: dict[str, object] = {  # for each column, what somebody might write there
    "id": 99,
    "at": 1_893_499_200_750_001,
    "actor_type": "client",
    "actor": "usr_somebody",
    "actor_name": "Somebody",
    "action": "role.delete",
    "target_type": "user",
    "target": "role_0",
    "address": "192.0.2.99",
    "request_id": None,
    "details": '{"number": 3, "names": ["a", "c"]}',
    "previous_hash": "f" * 64,
    "hash": "f" * 64,
}


def happened(store: Store, *numbers: int, who: str = "x") -> None:
    """Record events in one transaction."""
    with store.transaction() as session:
        for number in numbers:
            names = ["a", "b\u0000\u2028é"]
            record(session, ANN, "role.update", "role", who, START, number=number, names=names)


def each(store: Store, times: int, who: str = "x") -> None:
    """Record events, each in its own transaction."""
    for number in range(times):
        happened(store, number, who=who)


@pytest.fixture
def chained(empty_core: Core) -> Core:
    """Events 1 to EVENTS."""
    for number in range(1, EVENTS + 1):
        happened(empty_core.store, number)
    return empty_core


def verdict(core: Core, *expected: Place) -> Verdict:
    return VerifyAudit(core.store)(*expected)


def first_break(core: Core, *expected: Place) -> tuple[object, str]:
    found = verdict(core, *expected)
    assert not found.intact
    return found.breaks[0].event, found.breaks[0].what


def swap(core: Core, one: int, other: int) -> None:
    for id, then in ((one, 10_000), (other, one), (10_000, other)):
        core.database.execute("UPDATE audit_event SET id = :then WHERE id = :id", id=id, then=then)


def rewrite(core: Core, begin: int) -> None:
    """Rebuild the chain and its head from this event on, as an attacker with full write access could."""
    rows = core.trace()
    last = hash_of(rows[begin - 2]) if begin > 1 else NO_HASH
    for row in rows[begin - 1 :]:
        fields = {name: getattr(row, name) for name in FIELDS} | {"at": micro(row)}
        before, last = last, event_hash(last, fields)
        core.database.execute(
            "UPDATE audit_event SET previous_hash = :before, hash = :last WHERE id = :id",
            before=before, last=last, id=row.id,
        )  # fmt: skip
    core.database.execute("UPDATE audit_head SET last_id = :id, hash = :last", id=rows[-1].id, last=last)


def hash_of(row: AuditEvent) -> str:
    assert row.hash is not None
    return row.hash


def micro(row: AuditEvent) -> int:
    return (row.at - EPOCH) // MICROSECOND


def test_an_untouched_chain_is_intact_and_says_where_it_ends(chained: Core) -> None:
    found = verdict(chained)
    assert found.intact and (found.events, found.first) == (EVENTS, 1)
    assert found.last == Place(EVENTS, hash_of(chained.trace()[-1]))
    assert [row.previous_hash for row in chained.trace()] == [NO_HASH, *(row.hash for row in chained.trace()[:-1])]


def test_a_chain_without_events_is_intact(empty_core: Core) -> None:
    assert verdict(empty_core, Place(0, NO_HASH)) == Verdict(0, None, Place(0, NO_HASH), ())


@pytest.mark.asvs("16.4.2")
@pytest.mark.contract("a changed audit event is found, whatever was changed")
@pytest.mark.parametrize("column", OTHER)
@pytest.mark.parametrize("id", [1, 4, EVENTS])
def test_a_changed_column_is_found_by_the_events_id(chained: Core, column: str, id: int) -> None:
    chained.database.execute(
        f"UPDATE audit_event SET {column} = :value WHERE id = :id",  # noqa: S608 - our names
        value=OTHER[column], id=id,
    )  # fmt: skip
    found = verdict(chained)
    assert not found.intact
    if column == "id":  # it is gone from its place
        assert found.breaks[0].event in (id + 1, EVENTS, 99)
    else:
        assert (found.breaks[0].event, found.breaks[0].what, len(found.breaks)) == (id, "changed", 1)


@pytest.mark.contract("a changed audit event is found, whatever was changed")
def test_the_columns_tried_are_all_there_are() -> None:
    assert set(OTHER) == {column.key for column in AuditEvent.__mapper__.column_attrs}


@pytest.mark.asvs("16.4.2")
@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
@pytest.mark.parametrize(
    ("gone", "shown"), [((1,), 2), ((4,), 5), ((3, 4, 5), 6), ((EVENTS,), EVENTS), ((6, 7, 8), EVENTS)]
)
def test_removed_events_are_found_where_they_stood(chained: Core, gone: tuple[int, ...], shown: int) -> None:
    for id in gone:
        chained.database.execute("DELETE FROM audit_event WHERE id = :id", id=id)
    assert first_break(chained) == (shown, "removed")
    assert len(verdict(chained).breaks) == 1


@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
def test_all_events_removed_is_found(chained: Core) -> None:
    chained.database.execute("DELETE FROM audit_event")
    assert first_break(chained) == (EVENTS, "removed")


def insert(core: Core, id: int, previous_hash: str) -> None:
    """Put an event there, with the hash that fits it."""
    row = core.trace()[0]
    event: dict[str, Any] = {name: getattr(row, name) for name in FIELDS} | {"id": id, "at": micro(row)}
    names, places = ", ".join(event), ", ".join(f":{name}" for name in event)
    core.database.execute(
        f"INSERT INTO audit_event ({names}, previous_hash, hash) VALUES ({places}, :previous_hash, :hash)",  # noqa: S608
        **event | {"details": json.dumps(event["details"])},
        previous_hash=previous_hash,
        hash=event_hash(previous_hash, event),
    )


@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
@pytest.mark.parametrize("fits", [True, False])
def test_an_event_inserted_at_the_start_in_the_middle_or_behind_the_head_is_found(chained: Core, fits: bool) -> None:
    happened(chained.store, 9)
    chained.database.execute("UPDATE audit_head SET last_id = 19")
    chained.database.execute("UPDATE audit_event SET id = 19 WHERE id = 9")  # leaves room for more
    rewrite(chained, EVENTS)
    assert verdict(chained).intact
    hashes = {row.id: hash_of(row) for row in chained.trace()}
    for id, before in ((0, NO_HASH), (12, hashes[EVENTS]), (20, hashes[19])):
        insert(chained, id, before if fits else "e" * 64)
        assert first_break(chained) == (id, "inserted")
        assert len(verdict(chained).breaks) == 1
        chained.database.execute("DELETE FROM audit_event WHERE id = :id", id=id)


@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
def test_an_event_inserted_by_moving_the_others_is_found(chained: Core) -> None:
    for id in range(EVENTS, 3, -1):
        chained.database.execute("UPDATE audit_event SET id = :then WHERE id = :id", id=id, then=id + 1)
    insert(chained, 4, hash_of(chained.trace()[2]))
    chained.database.execute("UPDATE audit_head SET last_id = 9")
    assert first_break(chained) == (5, "changed")


@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
@pytest.mark.parametrize(("one", "other"), [(1, 2), (3, 6), (7, 8)])
def test_swapped_events_are_found(chained: Core, one: int, other: int) -> None:
    swap(chained, one, other)
    assert first_break(chained) in ((one, "changed"), (one, "inserted"))


@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("UPDATE audit_head SET hash = '0'", (None, "head")),
        ("UPDATE audit_head SET last_id = 9", (9, "removed")),
        ("UPDATE audit_head SET last_id = 5", (6, "inserted")),
        ("DELETE FROM audit_head", (None, "head")),
    ],
)
def test_a_changed_head_is_found(chained: Core, change: str, found: tuple[object, str]) -> None:
    chained.database.execute(change)
    assert first_break(chained) == found


@pytest.mark.contract("a rebuilt or cut audit chain is found by a value noted before")
def test_a_rebuilt_chain_is_detected_by_a_place_noted_earlier(chained: Core) -> None:
    noted = [Place(row.id, hash_of(row)) for row in chained.trace()]
    assert verdict(chained, *noted).intact
    chained.database.execute("UPDATE audit_event SET actor = 'usr_other' WHERE id = 3")
    rewrite(chained, 3)
    assert verdict(chained).intact and verdict(chained, noted[1]).intact
    assert first_break(chained, noted[-1]) == (EVENTS, "expected")
    assert first_break(chained, *noted) == (3, "expected")


@pytest.mark.contract("a rebuilt or cut audit chain is found by a value noted before")
def test_a_truncated_chain_and_head_are_detected_by_a_place_noted_earlier(chained: Core) -> None:
    noted = verdict(chained).last
    chained.database.execute("DELETE FROM audit_event WHERE id > 5")
    rewrite(chained, 5)
    assert verdict(chained).intact
    assert first_break(chained, noted) == (EVENTS, "expected")


@pytest.mark.contract("removed, inserted and swapped audit events are found, and a changed head")
def test_several_breaks_are_reported_up_to_a_limit(chained: Core) -> None:
    chained.database.execute("UPDATE audit_event SET actor = 'usr_other' WHERE id IN (2, 7)")
    assert [found.event for found in verdict(chained).breaks] == [2, 7]
    happened(chained.store, *range(50))
    chained.database.execute("UPDATE audit_event SET actor = 'usr_other'")
    assert len(verdict(chained).breaks) == 20


@pytest.mark.contract("a changed audit event is found, whatever was changed")
@pytest.mark.parametrize(
    "details", ["", "no JSON", "[" * 100_000, '{"number": 1e999}', '{"number":0,"number":4,"names":["a","b"]}', "null"]
)
def test_details_that_nobody_can_read_are_a_change_and_no_crash(chained: Core, details: str) -> None:
    try:
        chained.database.execute("UPDATE audit_event SET details = :details WHERE id = 4", details=details)
    except DBAPIError:  # PostgreSQL keeps JSON only
        assert chained.store.dialect == "postgresql"
        return
    assert first_break(chained) == (4, "changed")
    assert not verify_export(export(chained.store, Span())).intact


@pytest.mark.contract("a changed audit event is found, whatever was changed")
@pytest.mark.parametrize("value", ["'when'", "x'ff'", "CAST(x'ff' AS TEXT)", "99999999999999999"])
def test_values_of_another_type_are_a_change_and_no_crash(chained: Core, value: str) -> None:
    for column in ("at", "actor", "hash"):
        if chained.store.dialect == "postgresql" and (not value.isdecimal() or column != "at"):
            continue  # it keeps to the types itself
        chained.database.execute(f"UPDATE audit_event SET {column} = {value} WHERE id = 4")  # noqa: S608
        assert first_break(chained) == (4, "changed")
        assert not verify_export(export(chained.store, Span())).intact


@pytest.mark.contract("a change that is rolled back leaves no gap, none is made without a trace")
def test_a_transaction_that_is_rolled_back_leaves_no_gap(chained: Core) -> None:
    def broken() -> None:
        with chained.store.transaction() as session:
            record(session, ANN, "role.update", "role", "x", START)
            session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        broken()
    happened(chained.store, 9)
    assert [row.id for row in chained.trace()] == list(range(1, EVENTS + 2))
    assert verdict(chained).intact


@pytest.mark.contract("a change that is rolled back leaves no gap, none is made without a trace")
def test_an_event_put_where_the_next_would_stand_stops_nobody_and_stays_found(chained: Core) -> None:
    insert(chained, EVENTS + 1, "0" * 64)
    happened(chained.store, 9, 10)
    assert first_break(chained) == (EVENTS + 1, "inserted")
    assert len(verdict(chained).breaks) == 1


@pytest.mark.contract("a change that is rolled back leaves no gap, none is made without a trace")
def test_without_a_head_nothing_is_done_that_would_leave_no_trace(chained: Core) -> None:
    chained.database.execute("DELETE FROM audit_head")
    with pytest.raises(DatabaseError, match="audit verify"):
        happened(chained.store, 9)
    assert len(chained.trace()) == EVENTS


@pytest.mark.contract("many writers make one unbroken chain, and nothing is lost")
def test_threads_of_several_nodes_make_one_unbroken_chain(empty_core: Core) -> None:
    nodes = [empty_core.store, Store(create_engine(empty_core.store.engine.url))]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: each(nodes[n % 2], 15, f"w{n}"), range(8)))
    nodes[1].dispose()
    assert verdict(empty_core).intact
    seen: dict[str, list[int]] = {}
    for row in empty_core.trace():
        seen.setdefault(row.target, []).append(row.details["number"])
    assert seen == {f"w{n}": list(range(15)) for n in range(8)}


WRITER = """
import sys
from datetime import datetime, UTC
from sqlalchemy import create_engine
from app.actions.audit.actor import OPERATOR
from app.actions.audit.record import record
from app.database.store import Store
store = Store(create_engine(sys.argv[1]))
for number in range(20):
    with store.transaction() as session:
        for _ in range(number % 2 + 1):
            record(session, OPERATOR, "role.update", "role", sys.argv[2], datetime.now(UTC))
"""


@pytest.mark.contract("many writers make one unbroken chain, and nothing is lost")
def test_several_processes_make_one_unbroken_chain(empty_core: Core) -> None:
    command = [sys.executable, "-c", WRITER, empty_core.database.url]
    with subprocess.Popen([*command, "w0"]) as one, subprocess.Popen([*command, "w1"]) as other:
        while one.poll() is None or other.poll() is None:
            happened(empty_core.store, 0, who="us")
            assert verdict(empty_core).intact
    assert (one.returncode, other.returncode) == (0, 0)
    written = [row.target for row in empty_core.trace()]
    assert (written.count("w0"), written.count("w1")) == (30, 30)
    assert verdict(empty_core).intact


@pytest.mark.contract("older audit events are chained, and older nodes keep writing")
def test_events_of_a_node_of_the_previous_version_are_reported_and_then_chained(chained: Core) -> None:
    columns = ", ".join(FIELDS[1:])
    for id in (UNCHAINED + 1, UNCHAINED):
        chained.database.execute(
            f"INSERT INTO audit_event (id, {columns}) SELECT {id}, {columns} FROM audit_event WHERE id = 2"  # noqa: S608
        )
    happened(chained.store, 9)
    assert first_break(chained) == (UNCHAINED, "inserted")
    with chained.store.transaction() as session:
        chain_the_unchained(session.connection())
    happened(chained.store, 10)
    found = verdict(chained)
    assert found.intact and found.last.id == EVENTS + 4


@pytest.mark.contract("many writers make one unbroken chain, and nothing is lost")
def test_it_is_verified_and_exported_while_the_server_writes(chained: Core) -> None:
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(each, chained.store, 60)
        while not writing.done():
            assert verdict(chained).intact
        writing.result()
    lines = export(chained.store, Span())
    first = next(lines)
    happened(chained.store, 1)
    assert len([first, *lines]) == EVENTS + 60
