"""Failed authentications are recorded one by one up to a rate, and counted beyond it: none is lost."""

import threading

import pytest
from sqlalchemy.exc import OperationalError

from app.actions.audit.actor import anonymous
from app.actions.audit.verify import VerifyAudit
from app.actions.sign_in.failed_authentications import (
    MAX_ADDRESSES,
    ROWS_IN_HOUR,
    SINGLE,
    SINGLE_IN_ALL,
    SINGLE_IN_HOUR,
    FailedAuthentications,
)
from tests.core import Core

pytestmark = pytest.mark.both_databases

FAIL = ("authentication.fail",)
ADDRESSES = ("192.0.2.1", "192.0.2.2", "2001:db8::1")


def total(core: Core) -> int:
    """Return how many failures the audit events count."""
    return sum(event.details.get("merged", 1) for event in core.trace(FAIL[0]))


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_ten_thousand_failures_from_three_addresses_are_a_few_rows(core: Core) -> None:
    failures = core.actions.failed_authentications
    for number in range(10_000):
        failures.record(anonymous(ADDRESSES[number % 3], f"r{number}"), FAIL, "client", f"made-up-{number}")
    assert len(core.trace()) == 3 * SINGLE
    core.clock.advance(seconds=60)
    failures.flush()
    assert len(core.trace()) == 3 * SINGLE + 3 and total(core) == 10_000
    assert {event.address for event in core.trace()[-3:]} == {"192.0.2.1", "192.0.2.2", "2001:db8::/64"}
    assert {event.target for event in core.trace()[-3:]} == {"several"}
    assert VerifyAudit(core.store)().intact
    failures.flush()
    assert total(core) == 10_000


def test_each_minute_begins_with_single_events(core: Core) -> None:
    failures = core.actions.failed_authentications
    for minute in range(1, 4):
        for _ in range(SINGLE + 5):
            failures.record(anonymous(ADDRESSES[0], None), FAIL, "user", "usr_1", by="password")
        core.clock.advance(seconds=60)
        failures.flush()
        assert len(core.trace()) == minute * (SINGLE + 1)
    last = core.trace()[-1]
    assert (last.target, last.target_type, last.details["merged"]) == ("usr_1", "user", 5)
    assert last.details["since"] <= last.details["until"]


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_strangers_with_ever_new_addresses_are_bounded_in_all(core: Core) -> None:
    failures, sent = core.actions.failed_authentications, SINGLE_IN_ALL + 2 * MAX_ADDRESSES
    for number in range(sent):
        failures.record(anonymous(f"2001:db8:{number:x}::1", None), FAIL, "client", "x")
    core.clock.advance(seconds=60)
    failures.flush()
    assert len(core.trace()) == SINGLE_IN_ALL + MAX_ADDRESSES + 1 and total(core) == sent
    assert core.trace()[-1].address is None


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_one_address_that_never_stops_adds_few_rows_an_hour(empty_core: Core) -> None:
    hours, a_minute = 3, SINGLE + 5
    for number in range(hours * 60 * a_minute):
        fail_and_wait(empty_core, "192.0.2.1", 60 / a_minute)
        if number % a_minute == 0:
            empty_core.actions.failed_authentications.flush()
    empty_core.actions.failed_authentications.stop()
    assert total(empty_core) == hours * 60 * a_minute
    assert len(empty_core.trace()) <= hours * (SINGLE_IN_HOUR + 61)


@pytest.mark.contract("nothing that strangers write grows without bound")
def test_ten_thousand_addresses_over_hours_add_few_rows_an_hour(empty_core: Core) -> None:
    hours, addresses = 2, 10_000
    for number in range(addresses):
        fail_and_wait(empty_core, f"10.1.{number // 250}.{number % 250}", hours * 3600 / addresses)
        if number % 100 == 0:
            empty_core.actions.failed_authentications.flush()
    empty_core.actions.failed_authentications.stop()
    assert total(empty_core) == addresses
    assert len(empty_core.trace()) <= (hours + 1) * (ROWS_IN_HOUR + 60)  # the hours need not begin on the hour
    assert VerifyAudit(empty_core.store)().intact


def fail_and_wait(core: Core, address: str, seconds: float) -> None:
    core.actions.failed_authentications.record(anonymous(address, None), FAIL, "client", "x")
    core.clock.advance(seconds=seconds)


def test_a_clean_stop_writes_the_minute_that_is_not_over(core: Core) -> None:
    failures = FailedAuthentications(core.store, core.clock)
    for _ in range(SINGLE + 7):
        failures.record(anonymous(None, None), FAIL, "client", "x")
    failures.flush()
    assert total(core) == SINGLE
    failures.stop()
    assert total(core) == SINGLE + 7 and core.trace()[-1].address is None


def test_a_thread_writes_a_minute_that_is_over(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    written, failures = threading.Event(), FailedAuthentications(core.store, core.clock, interval=0.01)
    flush = failures.flush

    def count_flush() -> None:
        flush()
        if total(core) == SINGLE + 1:
            written.set()

    monkeypatch.setattr(failures, "flush", count_flush)
    for _ in range(SINGLE + 1):
        failures.record(anonymous(None, None), FAIL, "client", "x")
    core.clock.advance(seconds=60)
    assert written.wait(10)
    monkeypatch.undo()
    failures.stop()


def test_what_cannot_be_written_waits_for_the_next_time(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = FailedAuthentications(core.store, core.clock, interval=3600)
    for _ in range(SINGLE + 3):
        failures.record(anonymous(None, None), FAIL, "client", "x")
    core.clock.advance(seconds=60)

    def refuse() -> None:
        raise OperationalError("", None, Exception("gone"))

    with monkeypatch.context() as broken:
        broken.setattr(core.store, "transaction", refuse)
        failures.flush()
    failures.flush()
    assert total(core) == SINGLE + 3
    failures.stop()


def test_processes_add_up(core: Core) -> None:
    processes = [FailedAuthentications(core.store, core.clock, interval=3600) for _ in range(2)]
    for number in range(200):
        processes[number % 2].record(anonymous(ADDRESSES[0], None), FAIL, "client", "x")
    for process in processes:
        process.stop()
    assert len(core.trace()) == 2 * (SINGLE + 1) and total(core) == 200


def test_the_overview_counts_what_was_merged(core: Core) -> None:
    failures = core.actions.failed_authentications
    for _ in range(SINGLE + 50):
        failures.record(anonymous(None, None), FAIL, "client", "x")
    failures.flush(unfinished=True)
    assert core.actions.overview.failures()[-1].clients == SINGLE + 50
