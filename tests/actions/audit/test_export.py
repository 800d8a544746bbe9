"""An export of the audit events: JSON lines that verify by themselves, in pieces too, and show what was done."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.actions.audit.read import Span, export
from app.actions.audit.record import record
from app.actions.audit.verify import Verdict, verify_export
from tests.actions.audit.test_chain import ANN, EVENTS, OTHER, each, verdict
from tests.core import START, Core

pytestmark = pytest.mark.both_databases


@pytest.fixture
def chained(empty_core: Core) -> Core:
    each(empty_core.store, EVENTS)
    return empty_core


@pytest.mark.contract("an export verifies without the database, in pieces too")
def test_a_line_has_the_columns_of_the_table(chained: Core) -> None:
    for line, row in zip(export(chained.store, Span()), chained.trace(), strict=True):
        said = json.loads(line)
        assert list(said) == list(OTHER)
        assert said.pop("at") == row.at.isoformat(timespec="microseconds")
        assert all(getattr(row, name) == value for name, value in said.items())


@pytest.mark.asvs("16.4.3")
@pytest.mark.contract("an export verifies without the database, in pieces too")
def test_an_export_is_verified_without_the_database(chained: Core) -> None:
    whole = list(export(chained.store, Span()))
    noted = verdict(chained).last
    assert verify_export(whole, noted) == Verdict(EVENTS, 1, noted, ())
    assert verify_export([*whole[3:], "\n"]) == Verdict(EVENTS - 3, 4, noted, ())
    assert verify_export(whole[:-1], noted).breaks[0].what == "expected"


TAMPERED: dict[str, tuple[Callable[[list[str]], list[str]], object]] = {
    "changed": (lambda lines: [*lines[:3], lines[3].replace("role.update", "role.create"), *lines[4:]], 4),
    "removed": (lambda lines: lines[:3] + lines[4:], 5),
    "inserted twice": (lambda lines: lines[:4] + lines[3:], 4),
    "swapped": (lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], 5),
    "cut": (lambda lines: [*lines[:3], lines[3][:50]], "line 4"),
    "no JSON": (lambda lines: ["what", *lines], "line 1"),
    "no event": (lambda lines: ['{"id": 1}', "[]", *lines], "line 1"),
    "nested": (lambda lines: ["[" * 100_000, *lines], "line 1"),
    "one member more": (lambda lines: [lines[0].replace("{", '{"x": 1, ', 1), *lines[1:]], "line 1"),
    "a member twice": (lambda lines: [lines[0].replace("{", '{"actor": "me", ', 1), *lines[1:]], "line 1"),
    "a moment": (lambda lines: [lines[0].replace(".75", ".76"), *lines[1:]], 1),
    "no moment": (lambda lines: [lines[0].replace("T12:00", " at noon"), *lines[1:]], "line 1"),
}


@pytest.mark.contract("an export verifies without the database, in pieces too")
@pytest.mark.parametrize("how", TAMPERED)
def test_a_tampered_export_is_found(chained: Core, how: str) -> None:
    tamper, event = TAMPERED[how]
    found = verify_export(tamper(list(export(chained.store, Span()))))
    assert not found.intact and found.breaks[0].event == event


@pytest.mark.contract("an export verifies without the database, in pieces too")
def test_a_part_of_the_chain_is_exported_without_gaps(empty_core: Core) -> None:
    for second in (0, 10, 5, 20, 15, 30):  # the clocks of nodes differ
        empty_core.clock.now = START.replace(second=second)
        with empty_core.store.transaction() as session:
            record(session, ANN, "role.update", "role", "x", empty_core.clock())

    def ids(**span: Any) -> list[int]:
        lines = list(export(empty_core.store, Span(**span)))
        assert verify_export(lines).intact
        return [json.loads(line)["id"] for line in lines]

    assert ids(since=START.replace(second=10)) == [2, 3, 4, 5, 6]
    assert ids(until=START.replace(second=16)) == [1, 2, 3, 4, 5]
    assert ids(since=START.replace(second=6), until=START.replace(second=10)) == [2, 3]
    assert ids(since=START.replace(second=31)) == ids(until=START) == ids(after=6) == []
    assert ids(after=2, until=START.replace(second=30)) == [3, 4, 5]
