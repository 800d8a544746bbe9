"""Fixed windows: shared by all processes in the database, on Redis where there is one, else in memory."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine, func, select

from app.actions.limits.storage import DatabaseLimiter, DatabaseStorage, RedisLimiter, key_limiter
from app.actions.limits.windows import Window
from app.database.statements import SWEPT
from app.database.store import Store
from app.database.types import Base
from app.models import SpentLimit
from app.settings.settings import Settings
from tests.databases import database_in
from tests.redis_server import running_redis

pytestmark = pytest.mark.both_databases


class MovedClock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    engine = create_engine(database_in(tmp_path).url)
    store = Store(engine)
    Base.metadata.create_all(engine)
    yield store
    store.dispose()


def test_a_limit_is_spent_and_comes_back_with_the_next_window(store: Store, clock: MovedClock) -> None:
    limiter = DatabaseLimiter(store, clock)
    assert limiter.hit("key:a", 2, 60) == Window(admitted=True, limit=2, remaining=1, reset_seconds=60)
    clock.now += timedelta(seconds=20)
    assert limiter.hit("key:a", 2, 60) == Window(admitted=True, limit=2, remaining=0, reset_seconds=40)
    assert limiter.hit("key:a", 2, 60) == Window(admitted=False, limit=2, remaining=0, reset_seconds=40)
    clock.now += timedelta(seconds=40)
    assert limiter.hit("key:a", 2, 60) == Window(admitted=True, limit=2, remaining=1, reset_seconds=60)


def test_retry_after_is_never_too_short(store: Store, clock: MovedClock) -> None:
    limiter = DatabaseLimiter(store, clock)
    limiter.hit("key:a", 1, 60)
    clock.now += timedelta(seconds=2, microseconds=-1)
    assert limiter.look("key:a", 1, 60).reset_seconds == limiter.hit("key:a", 1, 60).reset_seconds == 59
    clock.now += timedelta(microseconds=1)
    assert limiter.look("key:a", 1, 60).reset_seconds == 58


def test_a_look_counts_nothing_and_sees_what_the_other_nodes_counted(store: Store, clock: MovedClock) -> None:
    limiter, other = DatabaseLimiter(store, clock), DatabaseLimiter(store, clock)
    assert limiter.look("key:a", 2, 60) == Window(admitted=True, limit=2, remaining=2, reset_seconds=60)
    other.hit("key:a", 2, 60)
    clock.now += timedelta(seconds=20)
    assert limiter.look("key:a", 2, 60) == Window(admitted=True, limit=2, remaining=1, reset_seconds=40)
    other.hit("key:a", 2, 60)
    assert limiter.look("key:a", 2, 60) == Window(admitted=False, limit=2, remaining=0, reset_seconds=40)
    clock.now += timedelta(seconds=40)
    assert limiter.look("key:a", 2, 60).admitted


def test_each_key_has_its_own_limit_and_a_changed_limit_starts_a_new_window(store: Store, clock: MovedClock) -> None:
    limiter = DatabaseLimiter(store, clock)
    assert limiter.hit("key:a", 1, 60).admitted
    assert limiter.hit("key:b", 1, 60).admitted
    assert not limiter.hit("key:a", 1, 60).admitted
    assert limiter.hit("key:a", 3, 60).remaining == 2


def test_the_table_keeps_no_window_that_ended(store: Store, clock: MovedClock) -> None:
    limiter = DatabaseLimiter(store, clock)
    for number in range(20):
        limiter.hit(f"key:{number}", 5, 10)
    clock.now += timedelta(seconds=11)
    limiter.hit("key:new", 5, 10)
    with store.reading() as session:
        assert session.scalar(select(func.count()).select_from(SpentLimit)) == 1


def test_a_sweep_takes_a_small_batch(store: Store, clock: MovedClock) -> None:
    with store.transaction() as session:
        session.add_all(SpentLimit(key=f"key:{n}", hits=1, ends_at=clock.now) for n in range(SWEPT + 20))
    limiter = DatabaseLimiter(store, clock)
    for new, left in (("key:a", 21), ("key:b", 2)):
        limiter.hit(new, 5, 10)
        with store.reading() as session:
            assert session.scalar(select(func.count()).select_from(SpentLimit)) == left


@pytest.mark.asvs("2.3.4")
def test_uses_at_the_same_moment_are_all_counted(store: Store, clock: MovedClock) -> None:
    nodes = [DatabaseLimiter(store, clock), DatabaseLimiter(Store(create_engine(store.engine.url)), clock)]
    with ThreadPoolExecutor(8) as pool:
        windows = list(pool.map(lambda number: nodes[number % 2].hit("key:a", 15, 60), range(40)))
    assert sum(window.admitted for window in windows) == 15


def test_it_is_a_storage_of_the_limits_library(store: Store, clock: MovedClock) -> None:
    storage = DatabaseStorage(store, clock)
    assert (storage.get("x"), storage.check()) == (0, True)
    assert [storage.incr("x", 60), storage.incr("x", 60, 2)] == [1, 3]
    assert storage.get("x") == 3
    assert storage.get_expiry("x") == (clock.now + timedelta(seconds=60)).timestamp()
    storage.clear("x")
    assert storage.get("x") == 0
    storage.incr("y", 60)
    storage.reset()
    assert storage.get("y") == 0


@pytest.mark.asvs("16.5.2")
def test_while_redis_is_away_limits_are_kept_in_memory() -> None:
    limiter = RedisLimiter("redis://127.0.0.1:1/0")
    assert [limiter.hit("key:a", 2, 60).admitted for _ in range(3)] == [True, True, False]


def test_nodes_on_one_redis_count_together_and_alone_while_it_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.actions.limits.storage.REDIS_PAUSE", 0.0)  # ask it again at once
    with running_redis() as redis:
        nodes = [RedisLimiter(redis.url), RedisLimiter(redis.url)]
        assert [node.hit("key:a", 3, 600).remaining for node in nodes] == [2, 1]
        assert [node.look("key:a", 3, 600).remaining for node in nodes] == [1, 1]
        redis.stop()
        assert [node.hit("key:a", 3, 600).remaining for node in nodes] == [2, 2]
        assert [node.look("key:a", 3, 600).remaining for node in nodes] == [2, 2]
        redis.start()
        assert [node.hit("key:a", 3, 600).remaining for node in nodes] == [2, 1]


def test_redis_counts_where_it_is_set(store: Store, clock: MovedClock, tmp_path: Path) -> None:
    def limiter(url: str) -> object:
        return key_limiter(Settings(instance_dir=tmp_path, redis_url=url), store, clock)

    assert isinstance(limiter("redis://127.0.0.1:1/0"), RedisLimiter)
    assert isinstance(limiter("unix:///nowhere.sock"), RedisLimiter)
    assert isinstance(limiter(""), DatabaseLimiter)
