"""Uses and refusals are counted exactly: by hour and day, under several processes, through failures and stops."""

import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, delete, func, select
from sqlalchemy.exc import OperationalError

from app.actions.tokens.refusals import Explanation, Presented
from app.actions.tokens.usage import FORWARD_AUTH, NOWHERE, Usage, Use, origin_of
from app.actions.tokens.usage_rows import Table, start_of_day, start_of_hour
from app.credentials.kind import Address, Description
from app.credentials.reasons import Reason
from app.database.statements import BATCH
from app.database.store import Store
from app.maintenance.retention import Retention
from app.models import PersonalAccessToken, UsageDay, UsageHour
from tests.core import ORDERS, START, STOCK, Core

pytestmark = pytest.mark.both_databases

HOME = ip_address("192.0.2.7")
KEYS = [("api_key", f"key_{number}", resource, "ok") for number in range(3) for resource in (ORDERS, STOCK)]


def refused(resource: str = ORDERS, caller: str = "shop") -> Presented:
    """Return what was presented."""
    return Presented("", resource, address=HOME, caller=caller)


def because(reason: Reason, credential: Description | None) -> Explanation:
    """Return why it was refused."""
    return Explanation(reason, "", credential)


def counts(core: Core, table: Table) -> dict[tuple[Any, ...], int]:
    with core.store.reading() as session:
        rows = session.execute(select(table.starts_at, table.credential_id, table.resource, table.outcome, table.uses))
        return {tuple(row[:4]): row[4] for row in rows}


def last(core: Core) -> Any:
    with core.store.reading() as session:
        return session.execute(select(UsageHour.last_used_at, UsageHour.last_address, UsageHour.last_server)).one()


def total(core: Core) -> int:
    with core.store.reading() as session:
        return int(session.scalar(select(func.sum(UsageHour.uses))) or 0)


@contextmanager
def failing(core: Core, monkeypatch: pytest.MonkeyPatch, after: int = 0) -> Iterator[None]:
    """Make transactions fail after so many."""
    opened, transaction = [0], core.store.transaction

    @contextmanager
    def open_transaction() -> Iterator[Any]:
        opened[0] += 1
        with transaction() as session:
            yield session
            if opened[0] > after:
                raise OperationalError("INSERT", {}, Exception("the disk is full"))

    with monkeypatch.context() as patched:
        patched.setattr(core.store, "transaction", open_transaction)
        yield


def test_each_kind_counts_as_its_token_key_client_or_grant(core: Core) -> None:
    usage, verified = core.actions.usage, core.verified
    pat, token = core.pat("alice", "orders:read")
    key, secret = core.key()
    core.app("app")
    app = core.delegate("alice", "app", "orders:read")
    exchanged, machine = core.exchange(token), core.m2m("robot", "orders:read")
    for presented in (token, exchanged, secret, machine, app.access.token):
        usage.note(verified(presented))
    usage.flush()
    found = {key[1]: uses for key, uses in counts(core, UsageHour).items()}
    assert found == {pat.id: 3, key.id: 1, core.row_id("robot"): 1, app.grant_id: 1}  # the exchange is a use too
    assert counts(core, UsageDay).keys() == {(start_of_day(START), *key[1:]) for key in counts(core, UsageHour)}


def test_one_resource_is_named_and_of_several_none(core: Core) -> None:
    _, token = core.pat("alice", "orders:read", "stock:read")
    claims = core.verified(token)
    cut = claims.cut_to(frozenset({STOCK}))
    assert cut is not None
    core.actions.usage.note(claims)
    core.actions.usage.note(cut)
    core.actions.usage.flush()
    assert {key[2]: uses for key, uses in counts(core, UsageHour).items()} == {"": 1, STOCK: 1}


def test_a_use_belongs_to_the_hour_and_the_day_in_which_it_was(core: Core) -> None:
    use = Use(KEYS[0])
    for at in (START, START + timedelta(minutes=59), START + timedelta(hours=1), START + timedelta(hours=12)):
        core.actions.usage.note_use(use, at, NOWHERE)
    core.actions.usage.flush()
    noon = start_of_hour(START)
    assert {key[0]: uses for key, uses in counts(core, UsageHour).items()} == {
        noon: 2,
        noon + timedelta(hours=1): 1,
        noon + timedelta(hours=12): 1,
    }
    assert [*counts(core, UsageDay).values()] == [3, 1]


def test_the_last_address_is_kept_as_its_network_unless_it_is_to_be_kept_whole(core: Core) -> None:
    def stored_address(text: str, **options: bool) -> str | None:
        with core.store.transaction() as session:
            session.execute(delete(UsageHour))
        usage = Usage(core.store, core.actions.kinds, core.clock, **options)
        usage.note_use(Use(KEYS[0]), START, origin_of("shop", ip_address(text)))
        usage.stop()
        return last(core).last_address  # type: ignore[no-any-return]

    assert stored_address("192.0.2.77") == "192.0.2.0/24"
    assert stored_address("2001:db8:1:2::3") == "2001:db8:1::/48"
    assert stored_address("192.0.2.77", full_addresses=True) == "192.0.2.77"


def test_the_latest_node_wins_and_what_is_not_known_erases_nothing(core: Core) -> None:
    def write(hours: float, address: Address | None, server: str) -> None:
        usage = Usage(core.store, core.actions.kinds, core.clock)
        usage.note_use(Use(KEYS[0]), START + timedelta(hours=hours), origin_of(server, address))
        usage.stop()

    write(0.1, HOME, "shop")
    write(0, ip_address("198.51.100.1"), "depot")
    assert last(core) == (START + timedelta(hours=0.1), "192.0.2.0/24", "shop")
    write(0.2, None, "depot")
    assert last(core) == (START + timedelta(hours=0.2), "192.0.2.0/24", "depot") and total(core) == 3


def test_a_refusal_counts_for_a_known_credential_only_under_its_reason(core: Core) -> None:
    pat, token = core.pat("alice", "orders:read")
    usage, known = core.actions.usage, core.actions.inspect(token)
    usage.count_refusal(refused(), because(Reason.UNKNOWN, None))
    usage.count_refusal(refused(), because(Reason.UNKNOWN, core.actions.inspect("lk_pat_x")))
    usage.count_refusal(refused(STOCK), because(Reason.WRONG_RESOURCE, known))
    usage.flush()
    assert counts(core, UsageHour) == {(start_of_hour(START), pat.id, STOCK, "wrong_resource"): 1}
    assert last(core) == (START, "192.0.2.0/24", "shop")
    with core.store.reading() as session:
        assert session.get_one(PersonalAccessToken, pat.id).last_used_at is None  # it was not used


def test_each_kind_is_described_as_what_it_counts_as(core: Core) -> None:
    pat, token = core.pat("alice", "orders:read")
    key, secret = core.key()
    core.app("app")
    app = core.delegate("alice", "app", "orders:read")
    client, grant = ("client", core.row_id("robot")), ("grant", app.grant_id)
    expected = {
        token: ("personal_access_token", pat.id),
        core.exchange(token): ("personal_access_token", pat.id),
        secret: ("api_key", key.id),
        core.m2m("robot", "orders:read"): client,
        core.client_secret("robot"): client,
        app.access.token: grant,
        str(app.refresh_token): grant,
    }
    assert {text: core.actions.inspect(text).counted for text in expected} == expected


def test_what_strangers_name_as_the_resource_adds_no_rows(core: Core) -> None:
    _, token = core.pat("alice", "orders:read")
    usage, known = core.actions.usage, core.actions.inspect(token)
    named = [f"https://{number}.example" for number in range(50)] + ["x" * 10_000, "\0", "\ud800", ""]
    for resource in named:
        usage.count_refusal(refused(resource, caller=""), because(Reason.UNKNOWN_RESOURCE, known))
    usage.flush()
    assert [(key[2], uses) for key, uses in counts(core, UsageHour).items()] == [("", len(named))]
    assert last(core).last_server == FORWARD_AUTH


def test_a_failed_batch_is_kept_and_counted_once(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, uses = core.actions.usage, [Use(key) for key in KEYS]
    for round in range(3):
        with failing(core, monkeypatch):
            for use in uses:
                usage.note_use(use, START + timedelta(hours=round / 2), NOWHERE)
            usage.flush()
        assert total(core) == 0
    usage.flush()
    usage.flush()
    assert total(core) == 3 * len(KEYS)


def test_the_batches_before_a_failed_one_are_not_written_twice(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, number = core.actions.usage, BATCH + 100
    for index in range(number):
        usage.note_use(Use(("api_key", f"key_{index:04}", ORDERS, "ok")), START, NOWHERE)
    with failing(core, monkeypatch, after=1):
        usage.flush()
    assert total(core) == BATCH
    usage.flush()
    assert total(core) == number and set(counts(core, UsageHour).values()) == {1}


STEP = st.one_of(
    st.tuples(st.just("use"), st.integers(0, 1), st.sampled_from(KEYS), st.integers(0, 5400)),
    st.tuples(st.just("flush"), st.integers(0, 1)),
    st.tuples(st.just("fail"), st.integers(0, 1)),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(STEP, max_size=40))
def test_whatever_two_nodes_do_each_use_is_counted_once_in_its_hour(
    core: Core, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[Any, ...]]
) -> None:
    with core.store.transaction() as session:
        for table in (UsageHour, UsageDay):
            session.execute(delete(table))
    nodes = [Usage(core.store, core.actions.kinds, core.clock, interval=3600) for _ in range(2)]
    expected: Counter[tuple[Any, ...]] = Counter()
    now = START
    for verb, node, *rest in steps:
        if verb == "use":
            key, seconds = rest
            now += timedelta(seconds=seconds)
            nodes[node].note_use(Use(key), now, NOWHERE)
            expected[(start_of_hour(now), *key[1:])] += 1
        elif verb == "flush":
            nodes[node].flush()
        else:
            with failing(core, monkeypatch):
                nodes[node].flush()
    for usage in nodes:
        usage.stop()
    assert counts(core, UsageHour) == expected
    days: Counter[tuple[Any, ...]] = Counter()
    for (hour, *key), uses in expected.items():
        days[(start_of_day(hour), *key)] += uses
    assert counts(core, UsageDay) == days


def count_in_a_process(url: str, seed: int, rounds: int, ready: Any) -> None:
    """Count the same uses as the other processes, and stop cleanly."""
    usage = Usage(Store(create_engine(url)), [], lambda: START, interval=0.02)
    ready.wait(60)
    for round in range(rounds):
        for key in KEYS[seed:] + KEYS[:seed]:
            usage.note_use(Use(key), START, NOWHERE)
        if round % 5 == 0:
            usage.flush()
    usage.stop()
    while not_written(usage):  # PostgreSQL and SQLite may refuse a write for a moment
        usage.flush()


def not_written(usage: Usage) -> bool:
    return any(usage._hours.values())


def test_several_processes_add_to_the_same_rows(core: Core) -> None:
    processes, rounds = multiprocessing.get_context("forkserver"), 30
    ready = processes.Barrier(3)
    url = core.actions.settings.database_url
    started = [processes.Process(target=count_in_a_process, args=(url, seed, rounds, ready)) for seed in range(3)]
    for process in started:
        process.start()
    for process in started:
        process.join(120)
        assert process.exitcode == 0
    assert set(counts(core, UsageHour).values()) == {3 * rounds} and len(counts(core, UsageHour)) == len(KEYS)


def count_until_killed(url: str, written: Any) -> None:
    """Count and write, then count what is not written, and say so."""
    usage = Usage(Store(create_engine(url)), [], lambda: START, interval=3600)
    for _ in range(7):
        usage.note_use(Use(KEYS[0]), START, NOWHERE)
    usage.flush()
    for _ in range(5):
        usage.note_use(Use(KEYS[0]), START, NOWHERE)
    written.send(True)
    signal.pause()


def test_a_killed_process_loses_the_uses_of_one_interval_at_most(core: Core) -> None:
    processes = multiprocessing.get_context("forkserver")
    here, there = processes.Pipe()
    process = processes.Process(target=count_until_killed, args=(core.actions.settings.database_url, there))
    process.start()
    assert here.recv()
    os.kill(int(process.pid or 0), signal.SIGKILL)
    process.join(60)
    assert total(core) == 7


def test_old_rows_are_deleted_by_the_job_and_days_are_kept_longer(core: Core) -> None:
    usage = core.actions.usage
    for days in (0, 5, 40):
        for key in KEYS:
            usage.note_use(Use(key), START + timedelta(days=days), NOWHERE)
    usage.flush()
    sweep = Retention(core.actions).sweep_all
    core.clock.advance(days=42)
    sweep(lambda: True)
    assert {key[0] for key in counts(core, UsageHour)} == {start_of_hour(START + timedelta(days=40))}
    assert len(counts(core, UsageDay)) == 3 * len(KEYS)
    core.clock.advance(days=364)
    sweep(lambda: True)
    assert not counts(core, UsageHour) and len(counts(core, UsageDay)) == len(KEYS)
