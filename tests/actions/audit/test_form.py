"""The hashed form of an event: different events have different bytes, and a stored event has the same bytes."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.actions.audit.chain import FIELDS, append, canonical
from app.actions.audit.read import Span, export
from app.actions.audit.verify import VerifyAudit, verify_export
from app.models.audit_event import NO_HASH
from tests.core import START, Core

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=5)
events = st.fixed_dictionaries(
    dict.fromkeys(FIELDS, texts)
    | {"id": st.integers(0, 3), "at": st.integers(0, 3), "address": st.none() | texts, "request_id": st.none() | texts}
    | {"details": st.dictionaries(st.text(), anything, max_size=3)}
)

on_any_machine = settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)


def same(one: Any, other: Any) -> bool:
    """Return whether two values have the same type and value: 1, 1.0 and true differ."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return repr(one) == repr(other)  # -0.0 is not 0.0


@pytest.mark.asvs("11.4.1")
@pytest.mark.contract("two events have the same hash only when they are the same")
@on_any_machine
@given(events, events)
def test_two_events_have_the_same_bytes_only_when_they_are_the_same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (canonical(NO_HASH, one) == canonical(NO_HASH, other)) is same(one, other)
    assert canonical(NO_HASH, one) != canonical("1" * 64, one)


@pytest.mark.contract("two events have the same hash only when they are the same")
@on_any_machine
@given(events, st.sampled_from(FIELDS), anything)
def test_no_member_can_change_and_leave_the_bytes(event: dict[str, Any], name: str, value: Any) -> None:
    changed = event | {name: value}
    assert (canonical(NO_HASH, event) == canonical(NO_HASH, changed)) is same(event, changed)


@pytest.mark.contract("two events have the same hash only when they are the same")
@on_any_machine
@given(events)
def test_what_an_event_says_is_read_back_from_its_bytes(event: dict[str, Any]) -> None:
    version, before, *values = json.loads(canonical(NO_HASH, event))
    assert (version, before) == ("latchkey-audit-1", NO_HASH)
    assert same(dict(zip(FIELDS, values, strict=True)), {name: event[name] for name in FIELDS})


@pytest.mark.contract("two events have the same hash only when they are the same")
def test_the_form_of_the_bytes_stays_what_it_is() -> None:
    event = dict.fromkeys(FIELDS, "é") | {"id": 7, "at": 5, "address": None, "details": {"b": [1, 2.5], "a": True}}
    assert canonical(NO_HASH, event) == (
        b'["latchkey-audit-1","' + b"0" * 64 + rb'",7,5,"\u00e9","\u00e9","\u00e9","\u00e9","\u00e9","\u00e9",null,'
        rb'"\u00e9",{"a":true,"b":[1,2.5]}]'
    )


@pytest.mark.both_databases
@pytest.mark.contract("two events have the same hash only when they are the same")
def test_what_details_become_in_the_database_is_what_is_hashed(empty_core: Core) -> None:
    odd = {
        "tuple": (1, "a"),
        "keys": {1: "one", "b": None},
        "floats": [0.1, 1e300, -0.0],
        "odd": "\ud800\x00\U0001f511",
    }
    event: dict[str, Any] = dict.fromkeys(FIELDS, "x") | {"at": START, "details": odd}
    with empty_core.store.engine.begin() as connection:
        append(connection, [event, event])
    assert VerifyAudit(empty_core.store)().intact and verify_export(export(empty_core.store, Span())).intact
