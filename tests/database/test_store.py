"""The store: short transactions that wait for one another, readers that never wait and see the last commit."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, func, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError

from app.database.statements import insert_once
from app.database.store import Store
from app.database.types import Base, Instant, new_id
from app.models import Resource, RevokedToken
from tests.databases import database_in

pytestmark = pytest.mark.both_databases

AT = datetime(2030, 1, 1, 12, 0, 0, 123_456, UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = open_store(tmp_path)
    Base.metadata.create_all(made.engine)
    yield made
    made.dispose()


def open_store(folder: Path) -> Store:
    return Store(create_engine(database_in(folder).url))


def resource(name: str) -> Resource:
    return Resource(id=new_id("res"), identifier=f"https://{name}.example", name=name, created_at=AT)


def add(store: Store, name: str) -> None:
    with store.transaction() as session:
        session.add(resource(name))


def seen_on_connection(store: Store) -> int:
    with store.connection() as connection:
        return connection.execute(select(func.count()).select_from(Resource)).scalar_one()


def seen_in_session(store: Store) -> int:
    with store.reading() as session:
        return session.scalar(select(func.count()).select_from(Resource)) or 0


def in_threads(count: int, work: Callable[[int], object]) -> list[BaseException]:
    """Run `work(0…)` in threads that begin together; give what they raised."""
    together = threading.Barrier(count)

    def begin(number: int) -> BaseException | None:
        together.wait(10)
        try:
            work(number)
        except BaseException as error:
            return error
        return None

    with ThreadPoolExecutor(count) as pool:
        return [error for error in pool.map(begin, range(count)) if error is not None]


def test_a_transaction_is_committed_when_its_block_ends(store: Store) -> None:
    add(store, "a")
    assert seen_on_connection(store) == seen_in_session(store) == 1


@pytest.mark.asvs("2.3.3")
def test_a_transaction_is_rolled_back_when_its_block_raises(store: Store) -> None:
    def break_off() -> None:
        with store.transaction() as session:
            session.add(resource("a"))
            session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        break_off()
    assert seen_on_connection(store) == 0
    add(store, "a")


def test_readers_see_a_commit_at_once_and_nothing_before_it(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path)
    for i in range(5):
        with store.transaction() as session:
            session.add(resource(f"r{i}"))
            session.flush()
            seen = [look(each) for look in (seen_on_connection, seen_in_session) for each in (store, other)]
            assert seen == [i] * 4
        seen = [look(each) for look in (seen_on_connection, seen_in_session) for each in (store, other)]
        assert seen == [i + 1] * 4
    other.dispose()


def test_an_open_connection_sees_what_others_commit_meanwhile(store: Store) -> None:
    query = select(func.count()).select_from(Resource)
    with store.connection() as connection:
        assert connection.execute(query).scalar_one() == 0
        add(store, "a")
        assert connection.execute(query).scalar_one() == 1


def test_readers_do_not_wait_for_a_writer(store: Store) -> None:
    with store.transaction() as session:
        session.add(resource("a"))
        session.flush()
        began = time.monotonic()
        assert in_threads(4, lambda _: seen_on_connection(store)) == []
        assert time.monotonic() - began < 5


def test_concurrent_writers_wait_for_one_another(store: Store) -> None:
    def write(number: int) -> None:
        for i in range(10):
            with store.transaction() as session:  # reads first, then writes: what deadlocks without BEGIN IMMEDIATE
                session.scalar(select(func.count()).select_from(Resource))
                session.add(resource(f"r{number}-{i}"))

    assert in_threads(8, write) == []
    assert seen_in_session(store) == 80


def test_two_stores_on_one_database_write_in_turn(store: Store, tmp_path: Path) -> None:
    other = open_store(tmp_path)

    def write(number: int) -> None:
        for i in range(5):
            add((store, other)[number % 2], f"r{number}-{i}")

    assert in_threads(6, write) == []
    assert seen_on_connection(other) == 30
    other.dispose()


def test_each_thread_keeps_a_connection_of_its_own(store: Store) -> None:
    kept: list[int] = []

    def look(_number: int) -> None:
        with store.connection() as first:
            pass
        with store.connection() as second:
            assert first is second
            kept.append(id(second))

    with store.connection() as mine:
        assert in_threads(4, look) == []
    assert len(set(kept)) == 4 and id(mine) not in kept


def test_a_kept_connection_can_be_used_again_after_an_error(store: Store) -> None:
    with pytest.raises(DBAPIError), store.connection() as connection:
        connection.execute(text("SELECT * FROM nowhere"))
    assert seen_on_connection(store) == 0


def test_a_kept_connection_that_was_closed_is_replaced(store: Store) -> None:
    with store.connection() as connection:
        pass
    connection.close()
    assert seen_on_connection(store) == 0


def test_a_store_can_be_used_after_it_was_disposed_of(store: Store) -> None:
    add(store, "a")
    seen_on_connection(store)
    store.dispose()
    add(store, "b")
    assert seen_on_connection(store) == seen_in_session(store) == 2


def test_a_reader_writes_nothing_by_oversight(store: Store) -> None:
    with store.reading() as session:
        session.add(resource("a"))
    assert seen_in_session(store) == 0


def test_committed_rows_are_visible_to_every_other_connection(store: Store, tmp_path: Path) -> None:
    add(store, "a")
    assert database_in(tmp_path).execute("SELECT name FROM resource") == [("a",)]


def test_a_name_that_is_taken_is_refused_by_the_database(store: Store) -> None:
    add(store, "a")
    with pytest.raises(IntegrityError):
        add(store, "a")
    assert seen_in_session(store) == 1


def test_insert_once_is_true_for_exactly_one_caller(store: Store) -> None:
    first: list[int] = []

    def deny(number: int) -> None:
        with store.transaction() as session:
            if insert_once(session, RevokedToken, jti="one", expires_at=AT, revoked_at=AT):
                first.append(number)

    assert in_threads(6, deny) == []
    assert len(first) == 1


INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@settings(deadline=None)
@given(INSTANTS, INSTANTS, st.integers(-12, 12))
def test_an_instant_is_kept_to_the_microsecond_and_in_order(a: datetime, b: datetime, hours: int) -> None:
    column, dialect = Instant(), sqlite.dialect()
    kept = column.process_bind_param(a, dialect)
    other = column.process_bind_param(b, dialect)
    assert column.process_result_value(kept, dialect) == a
    elsewhere = a.astimezone(timezone(timedelta(hours=hours)))
    assert column.process_bind_param(elsewhere, dialect) == kept
    assert kept is not None and other is not None and (kept < other) == (a < b)
    assert column.process_bind_param(None, dialect) is None and column.process_result_value(None, dialect) is None


@pytest.mark.asvs("16.2.2")
def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        Instant().process_bind_param(datetime(2030, 1, 1), sqlite.dialect())


@pytest.mark.asvs("10.3.3")
@pytest.mark.contract("ids are opaque strings")
def test_ids_are_opaque_short_unlike_and_in_order() -> None:
    early = [new_id("pat") for _ in range(1000)]
    before = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == before:
        pass  # into the next millisecond
    late = new_id("pat")
    assert len(set(early)) == 1000 and all(id < late for id in early)
    assert all(re.fullmatch(r"pat_[0-9a-f]{31}", id) and len(id) <= 40 for id in early)
