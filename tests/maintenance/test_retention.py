"""What grows by itself has a bound, which one table lists, and the jobs delete what is over in small batches."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, select

from app.actions.audit.actor import OPERATOR
from app.actions.audit.record import record
from app.actions.audit.verify import VerifyAudit
from app.database.leases import Lease
from app.database.statements import SWEPT
from app.database.types import Base
from app.maintenance.doctor import _audit_retention, _sizes
from app.maintenance.jobs import Jobs
from app.maintenance.retention import BOUNDS, HOUR, Retention
from app.models import AuditEvent, SpentLimit, StatusList, UsedProof
from app.settings.settings import Settings
from tests.core import START, Core, start_core

HANDBOOK = Path(__file__).parents[2] / "instance" / "README.md"
ELSEWHERE = {"audit_event", "status_entry"}  # in the table too: pruned with a checkpoint, and deleted with its list
both = pytest.mark.both_databases


def listed() -> set[str]:
    """Return the tables that the handbook lists with how long their rows are kept."""
    section = HANDBOOK.read_text(encoding="utf-8").split("### How long things are kept", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def always() -> bool:
    return True


def test_the_handbook_lists_each_table_that_has_a_bound_and_no_other() -> None:
    assert listed() == {bound.table.__tablename__ for bound in BOUNDS} | ELSEWHERE


def test_the_handbook_states_the_default_and_the_days_of_known_addresses() -> None:
    text = HANDBOOK.read_text(encoding="utf-8")
    assert f"`LATCHKEY_AUDIT_RETENTION` | {Settings.model_fields['audit_retention'].default} |" in text


@pytest.mark.contract("what grows by itself has a bound, and one node at a time deletes what is over")
def test_each_table_with_an_end_has_a_bound() -> None:
    """A new table whose rows end by themselves needs its line in BOUNDS."""
    kept_by_owner = {"api_key", "api_key_secret", "client_secret", "personal_access_token"}  # listed after their end
    bound = {one.table.__tablename__ for one in BOUNDS}
    for table in Base.metadata.tables.values():
        if {"expires_at", "ends_at", "noted_at"} & set(table.columns.keys()):
            assert table.name in bound | kept_by_owner, table.name


@pytest.mark.contract("what grows by itself has a bound, and one node at a time deletes what is over")
@both
def test_what_is_over_goes_in_batches_and_the_rest_stays(core: Core) -> None:
    add_limits(core, 2 * SWEPT + 1, ended=True)
    add_limits(core, 3, ended=False)
    with watch_deletes(core) as batches:
        Retention(core.actions).sweep_all(always)
    assert core.count(SpentLimit) == 3
    assert len(batches) == 3


@both
def test_a_sweep_without_anything_to_delete_writes_nothing(core: Core) -> None:
    add_limits(core, 3, ended=False)
    with watch_deletes(core) as batches:
        Retention(core.actions).sweep_all(always)
    assert batches == []


@both
def test_a_stop_ends_a_sweep_after_the_batch(core: Core) -> None:
    add_limits(core, 2 * SWEPT, ended=True)
    answers = iter([True])
    Retention(core.actions).sweep_all(lambda: any(answers))
    assert core.count(SpentLimit) == 2 * SWEPT


@both
def test_proofs_and_status_lists_go_when_they_have_ended(core: Core) -> None:
    with core.store.transaction() as session:
        session.add(UsedProof(proof_digest="d" * 64, expires_at=core.clock()))
        for number in (1, 2):
            session.add(StatusList(number=number, ends_at=core.clock()))
    core.clock.advance(days=1)
    Retention(core.actions).sweep_all(always)
    assert core.count(UsedProof) == 0
    with core.store.reading() as session:
        assert list(session.scalars(select(StatusList.number))) == [2], "no number is used twice"


@pytest.mark.contract("old audit events are deleted, and what is left is proven by a signed checkpoint")
@both
@pytest.mark.parametrize(("days", "left"), [(400, 1), (0, 4)], ids=["400 days", "for ever"])
def test_audit_events_go_after_audit_retention(tmp_path: Path, days: int, left: int) -> None:
    core = start_core(tmp_path, audit_retention=days)
    for at in (START, START + timedelta(days=399), START + timedelta(days=401), START + timedelta(days=402)):
        with core.store.transaction() as session:
            record(session, OPERATOR, "role.update", "role", "x", at)
    core.clock.now = START + timedelta(days=400 + 401)
    jobs = Jobs(Lease(core.store, core.clock), Retention(core.actions).jobs(), lambda: core.clock().timestamp())
    core.clock.advance(seconds=HOUR)
    jobs.run_due()
    with core.store.reading() as session:
        kept = [row for row in session.scalars(select(AuditEvent.action)) if row != "audit.prune"]
    assert len(kept) == left
    assert VerifyAudit(core.store, core.actions.note_keys.trusted())().intact
    core.store.dispose()


@both
def test_doctor_says_how_much_there_is_and_when_old_events_are_still_there(empty_core: Core) -> None:
    core = empty_core
    settings, keys = core.actions.settings, core.actions.signing_keys
    with core.store.transaction() as session:
        record(session, OPERATOR, "role.update", "role", "x", START - timedelta(days=3650))
    late = _audit_retention(settings, core.store, keys)
    assert late.verdict == "warning" and "although they are kept for 400 days" in late.found
    assert _audit_retention(settings.model_copy(update={"audit_retention": 0}), core.store, keys).verdict == "ok"
    assert re.search(r"^[\d,.]+ MB; rows: audit_event \d", _sizes(settings, core.store, keys).found)


@contextmanager
def watch_deletes(core: Core) -> Iterator[list[str]]:
    """Return the statements that delete meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "DELETE FROM" in statement:
            seen.append(statement)

    event.listen(core.store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(core.store.engine, "before_cursor_execute", note)


def add_limits(core: Core, count: int, *, ended: bool) -> None:
    with core.store.transaction() as session:
        for number in range(count):
            end = core.clock() + timedelta(seconds=0 if ended else 60)
            session.add(SpentLimit(key=f"{ended}{number}", hits=1, ends_at=end))
