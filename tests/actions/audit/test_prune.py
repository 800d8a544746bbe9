"""Old audit events go in short batches; a signed checkpoint proves what is left, and no other cut passes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, func, select, update

from app.actions.audit.actor import OPERATOR, SERVER
from app.actions.audit.chain import FIELDS, event_hash
from app.actions.audit.checkpoint import ACTION, write_checkpoint
from app.actions.audit.prune import BATCH, PruneAudit
from app.actions.audit.read import Span, export, read_rows
from app.actions.audit.record import record
from app.actions.audit.verify import Place, Verdict, VerifyAudit, verify_export
from app.crypto.note_keys import NoteKeys
from app.database.store import Store
from app.errors import Conflict
from app.models import AuditEvent
from app.models.audit_event import NO_HASH, AuditHead
from tests.core import START, Core, MutableClock

pytestmark = pytest.mark.both_databases

EVENTS, DAY = 8, timedelta(days=1)
CUT = START + 4 * DAY  # events 1 to 4 are before it


def happen(core: Core, times: int = 1) -> None:
    """Record events a day apart."""
    for _ in range(times):
        with core.store.transaction() as session:
            record(session, OPERATOR, "role.update", "role", "x", core.clock())
        core.clock.advance(days=1)


@pytest.fixture
def old(empty_core: Core) -> Core:
    happen(empty_core, EVENTS)
    return empty_core


def verdict(core: Core, *expected: Place) -> Verdict:
    return VerifyAudit(core.store, core.actions.note_keys.trusted())(*expected)


def what(core: Core, *expected: Place) -> list[tuple[Any, str]]:
    return [(found.event, found.what) for found in verdict(core, *expected).breaks]


def prune(core: Core, before: Any = CUT) -> int:
    return core.actions.prune_audit(SERVER, before)


def ids(core: Core) -> list[int]:
    with core.store.reading() as session:
        return list(session.scalars(select(AuditEvent.id).order_by(AuditEvent.id)))


def remove(core: Core, *events: int) -> None:
    with core.store.transaction() as session:
        session.execute(delete(AuditEvent).where(AuditEvent.id.in_(events)))


def rewrite(core: Core, changes: dict[int, dict[str, Any]]) -> None:
    """Change events as somebody does who can write everything: with new hashes, and a new head."""
    with core.store.transaction() as session:
        tip = None
        for row in list(read_rows(session.connection(), Span())):
            fields = {name: row[name] for name in FIELDS} | changes.get(row["id"], {})
            previous = row["previous_hash"] if tip is None else tip
            tip = event_hash(previous, fields)
            values = {"details": fields["details"], "previous_hash": previous, "hash": tip}
            session.execute(update(AuditEvent).where(AuditEvent.id == row["id"]).values(**values))
        session.execute(update(AuditHead).values(hash=tip))


@pytest.mark.contract("old audit events are deleted, and what is left is proven by a signed checkpoint")
def test_what_is_left_is_proven_and_events_are_appended_as_before(old: Core) -> None:
    noted = verdict(old).last
    assert old.actions.prune_audit.count(CUT) == 4 and ids(old)[0] == 1
    assert prune(old) == 4 and ids(old) == [5, 6, 7, 8, 9]
    happen(old)
    seen = verdict(old, noted)
    assert seen.intact and (seen.events, seen.first) == (6, 5)
    assert seen.checkpoint is not None and (seen.checkpoint.event, seen.checkpoint.through) == (9, 4)
    assert verify_export(list(export(old.store, Span()))).intact


def test_twice_the_same_is_once_and_later_is_further(old: Core) -> None:
    assert (prune(old), prune(old), len(old.trace(ACTION))) == (4, 0, 1)
    assert prune(old, CUT + DAY) == 1 and verdict(old).intact
    old.clock.advance(seconds=1)
    assert prune(old, old.clock()) == 5 and verdict(old).intact  # the first checkpoint is not needed any more
    assert [event.action for event in old.trace()] == [ACTION]


def test_a_place_that_was_noted_and_is_deleted_cannot_be_proven_but_for_the_cut(old: Core) -> None:
    with old.store.reading() as session:
        noted = {id: Place(id, str(hash)) for id, hash in session.execute(select(AuditEvent.id, AuditEvent.hash))}
    prune(old)
    assert verdict(old, noted[4], noted[5]).intact
    assert what(old, noted[3]) == [(3, "expected")]
    assert "deleted up to 4:" in verdict(old, noted[3]).breaks[0].said
    assert what(old, replace(noted[4], hash="f" * 64)) == [(4, "expected")]


def test_an_interrupted_deletion_verifies_and_is_finished_by_another_node(old: Core) -> None:
    answers = iter([True])
    assert old.actions.prune_audit(SERVER, CUT, lambda: next(answers, False)) == 0
    remove(old, 1, 2)  # a batch of a node that died then
    assert verdict(old).intact and ids(old)[0] == 3
    assert prune(old) == 2 and verdict(old).intact and len(old.trace(ACTION)) == 1


@pytest.mark.contract("old audit events are deleted, and what is left is proven by a signed checkpoint")
def test_a_removed_checkpoint_is_found(old: Core) -> None:
    prune(old)
    happen(old)
    remove(old, 9)
    assert what(old)[0] == (5, "removed")


def test_a_removed_checkpoint_at_the_end_with_the_head_moved_back_is_found(old: Core) -> None:
    prune(old)
    remove(old, 9)
    with old.store.transaction() as session:
        last = session.scalars(select(AuditEvent.hash).where(AuditEvent.id == 8)).one()
        session.execute(update(AuditHead).values(last_id=8, hash=last))
    assert what(old) == [(5, "removed")]


@pytest.mark.contract("old audit events are deleted, and what is left is proven by a signed checkpoint")
@pytest.mark.parametrize("pruned", [True, False], ids=["after a signed cut", "without one"])
def test_a_cut_that_nobody_signed_is_found(old: Core, pruned: bool) -> None:
    if pruned:
        prune(old)
    remove(old, *range(1, 7))
    assert what(old) == [(7, "removed")]


@pytest.mark.contract("old audit events are deleted, and what is left is proven by a signed checkpoint")
def test_a_boundary_that_was_moved_is_found_even_with_new_hashes(old: Core) -> None:
    prune(old)
    with old.store.reading() as session:
        moved = session.scalars(select(AuditEvent.hash).where(AuditEvent.id == 6)).one()
    remove(old, 5, 6)
    details = old.trace(ACTION)[0].details
    rewrite(old, {9: {"details": {**details, "through": 6, "hash": moved}}})
    assert what(old)[0] == (7, "removed")


@pytest.mark.contract("old audit events are deleted, and what is left is proven by a signed checkpoint")
def test_a_forged_checkpoint_is_found_and_its_key_named(old: Core) -> None:
    remove(old, 1, 2, 3, 4)
    with old.store.reading() as session:
        cut = session.scalars(select(AuditEvent.previous_hash).where(AuditEvent.id == 5)).one()
        head = session.scalars(select(AuditHead.hash)).one()
    forger = NoteKeys(lambda: ["the key of somebody who wants to forge"])
    with old.store.transaction() as session:
        forged = write_checkpoint(forger, str(head), 4, str(cut))
        record(session, SERVER, ACTION, "audit_event", "4", old.clock(), events=4, **forged)
    [found] = verdict(old).breaks
    assert (found.event, found.what) == (5, "removed") and str(forged["key"]) in found.said
    assert VerifyAudit(old.store, forger.trusted())().intact


@pytest.mark.parametrize("details", ["7", "{}", '{"through": 1e999, "hash": 1, "key": "x"}', '{"through": "x"}'])
def test_a_checkpoint_that_nobody_can_read_is_a_change_and_no_crash(old: Core, details: str) -> None:
    prune(old)
    old.database.execute("UPDATE audit_event SET details = :details WHERE id = 9", details=details)
    assert (9, "changed") in what(old)


def test_a_signed_checkpoint_proves_nothing_after_other_events(old: Core) -> None:
    """Replace an event between the cut and the checkpoint, with new hashes for all that follow."""
    prune(old)
    rewrite(old, {7: {"details": {"number": "another"}}})
    assert what(old)[0] == (5, "removed")


def test_events_whose_chain_is_broken_are_evidence_and_not_deleted(old: Core) -> None:
    with old.store.transaction() as session:
        session.execute(update(AuditEvent).where(AuditEvent.id > 4).values(at=START))
    with pytest.raises(Conflict, match="the chain is broken there: run `latchkey audit verify`"):
        prune(old)
    assert len(ids(old)) == EVENTS


def test_a_node_with_another_clock_deletes_nothing_too_early_and_a_time_to_come_blocks_nothing(old: Core) -> None:
    ahead = PruneAudit(old.store, old.actions.note_keys, old.clock)
    old.clock.advance(days=3650)
    happen(old)  # by a node whose clock is wrong
    old.clock.now = START + EVENTS * DAY
    happen(old, 3)
    assert ahead(SERVER, START + 10 * DAY) == 11 and ids(old) == [12, 13]  # 10 and 11 are after the wrong one
    assert verdict(old).intact


def test_keys_may_change_when_the_checkpoint_is_signed_again_before_the_old_one_is_forgotten(old: Core) -> None:
    accepted = ["the first secret key of this server"]
    keys = NoteKeys(lambda: accepted)
    pruner = PruneAudit(old.store, keys, old.clock)
    pruner(SERVER, CUT)
    accepted.insert(0, "the second secret key of this server")
    assert VerifyAudit(old.store, keys.trusted())().intact
    assert pruner.countersign(SERVER) and not pruner.countersign(SERVER)
    accepted.pop()
    assert VerifyAudit(old.store, keys.trusted())().intact
    accepted[0] = "a third secret key, after which the second is gone"
    [found] = VerifyAudit(old.store, keys.trusted())().breaks
    assert found.what == "removed" and "if that is the server's key, pass it" in found.said


def test_two_nodes_at_once_sign_one_cut(old: Core) -> None:
    other = Store(create_engine(old.database.url))
    second = PruneAudit(other, old.actions.note_keys, old.clock)
    done: list[int] = []

    def meanwhile() -> bool:
        if not done:
            done.append(second(SERVER, CUT))
        return True

    assert old.actions.prune_audit(SERVER, CUT, meanwhile) + done[0] == 4
    assert len(old.trace(ACTION)) == 1 and verdict(old).intact
    other.dispose()


def test_many_events_go_in_batches_between_which_others_write(empty_core: Core) -> None:
    with empty_core.store.transaction() as session:
        for _ in range(2 * BATCH):
            record(session, OPERATOR, "role.update", "role", "x", START)
    empty_core.clock.advance(days=1)
    steps: list[int] = []

    def write() -> bool:
        happen(empty_core)
        steps.append(1)
        return True

    assert empty_core.actions.prune_audit(SERVER, START + DAY, write) >= 2 * BATCH
    assert len(steps) >= 4 and verdict(empty_core).intact


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["write", "prune", "rotate", "attack"]), max_size=8))
def test_whatever_is_written_and_pruned_verifies_until_somebody_else_cuts(
    empty_core: Core, steps: Sequence[str]
) -> None:
    """Compare with a model: the ids that there should be, and whether anybody removed one of them."""
    core, accepted = empty_core, ["the first secret key of this server"]
    clear(core)
    keys = NoteKeys(lambda: accepted)
    pruner, attacked = PruneAudit(core.store, keys, core.clock), False
    for number, step in enumerate(["write", *steps]):
        if step == "write":
            happen(core, 2)
        elif step == "prune" and not attacked:
            pruner(SERVER, core.clock() - 3 * DAY)
        elif step == "rotate" and not attacked:
            accepted.insert(0, f"another secret key of this server {number}")
            pruner.countersign(SERVER)
            del accepted[1:]
        elif step == "attack" and len(ids(core)) > 1:
            remove(core, ids(core)[0])
            attacked = True
        assert VerifyAudit(core.store, keys.trusted())().intact is not attacked


def clear(core: Core) -> None:
    core.clock.now = MutableClock().now
    with core.store.transaction() as session:
        session.execute(delete(AuditEvent))
        session.execute(update(AuditHead).values(last_id=0, hash=NO_HASH))
        assert not session.scalar(select(func.count()).select_from(AuditEvent))
