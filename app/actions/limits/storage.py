"""Count uses in fixed windows: in Redis where it is configured, else in the database that the nodes share."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from math import ceil
from typing import Any, Protocol

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage, Storage
from sqlalchemy import Integer, bindparam, case, delete, or_, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import SQLAlchemyError

from app.actions.limits.redis_probe import PATIENCE, describe_failure, open_storage
from app.actions.limits.windows import Limiter, Window
from app.clock import Clock
from app.database.statements import delete_expired
from app.database.store import Store
from app.models import SpentLimit
from app.settings.settings import Settings

REDIS_PATIENCE = PATIENCE
REDIS_PAUSE = 5.0  # seconds until a Redis that failed is tried again
SKEW = 60.0  # seconds by which nodes' clocks may differ: a window that ends later precedes a clock change
log = logging.getLogger(__name__)


def key_limiter(settings: Settings, store: Store, clock: Clock) -> Limiter:
    """Return the limiter of API keys' own limits, to which RATE_LIMITS=off does not apply."""
    return RedisLimiter(settings.redis_url) if settings.redis_url else DatabaseLimiter(store, clock)


def _upsert(insert: Any) -> Any:
    """Return the statement that counts a use: built once, as that costs more than to execute it."""
    table, amount = SpentLimit.__table__, bindparam("amount", type_=Integer)
    fresh = insert(table).values(key=bindparam("name"), hits=amount, ends_at=bindparam("end"))
    over = or_(table.c.ends_at <= bindparam("now"), table.c.ends_at > bindparam("latest"))
    return fresh.on_conflict_do_update(
        index_elements=[table.c.key],
        set_={
            "hits": case((over, amount), else_=table.c.hits + amount),
            "ends_at": case((over, fresh.excluded.ends_at), else_=table.c.ends_at),
        },
    ).returning(table.c.hits, table.c.ends_at)


_UPSERTS = {True: _upsert(postgresql_insert), False: _upsert(sqlite_insert)}  # on PostgreSQL, or not
_CURRENT = select(SpentLimit.hits, SpentLimit.ends_at).where(
    SpentLimit.key == bindparam("name"), SpentLimit.ends_at > bindparam("now")
)


class DatabaseStorage(Storage):
    """The table `spent_limit` as a storage of the limits library: one upsert per use, exact across processes."""

    STORAGE_SCHEME = None  # it is passed as an object, never named by a URL

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__()
        self._store = store
        self._clock = clock
        self._upsert = _UPSERTS[store.dialect == "postgresql"]

    @property
    def base_exceptions(self) -> type[Exception]:
        """The errors that it raises when the database cannot be reached."""
        return SQLAlchemyError

    def spend(self, key: str, expiry: float, amount: int = 1) -> tuple[int, datetime]:
        """Count `amount` uses in the window of `expiry` seconds; return the uses so far and the window's end."""
        now = self._clock()
        end = now + timedelta(seconds=expiry)
        values = {"name": key, "amount": amount, "end": end, "now": now, "latest": end + timedelta(seconds=SKEW)}
        with self._store.transaction() as session:
            hits, ends_at = session.execute(self._upsert, values).one()
            if hits == amount:  # a new window: delete ended ones, so that the table stays small
                delete_expired(session, SpentLimit, SpentLimit.ends_at <= now)
        return hits, ends_at

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count `amount` uses; return the uses so far."""
        return self.spend(key, expiry, amount)[0]

    def get(self, key: str) -> int:
        """Return the uses in the current window."""
        window = self.window(key)
        return window[0] if window else 0

    def get_expiry(self, key: str) -> float:
        """Return the end of the current window in seconds since 1970; now when there is none."""
        window = self.window(key)
        return (window[1] if window else self._clock()).timestamp()

    def check(self) -> bool:
        """Return whether the database answers."""
        try:
            self.get("")
        except SQLAlchemyError:
            return False
        return True

    def reset(self) -> int | None:
        """Delete every window."""
        with self._store.transaction() as session:
            session.execute(delete(SpentLimit))
        return None

    def clear(self, key: str) -> None:
        """Delete one window."""
        with self._store.transaction() as session:
            session.execute(delete(SpentLimit).where(SpentLimit.key == key))

    def window(self, key: str) -> tuple[int, datetime] | None:
        """Return the uses so far and the end of the current window, None when there is none."""
        with self._store.connection() as connection:
            row = connection.execute(_CURRENT, {"name": key, "now": self._clock()}).one_or_none()
        return (row.hits, row.ends_at) if row else None


class DatabaseLimiter:
    """Counts in the database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._storage = DatabaseStorage(store, clock)
        self._clock = clock

    def hit(self, key: str, requests: int, window_seconds: int, amount: int = 1) -> Window:
        """Count `amount` uses of `key`; return its window."""
        hits, ends_at = self._storage.spend(_name(key, requests, window_seconds), window_seconds, amount)
        return _window(hits, requests, (ends_at - self._clock()).total_seconds())

    def look(self, key: str, requests: int, window_seconds: int) -> Window:
        """Return the window of `key` as the next use would find it, without counting."""
        window = self._storage.window(_name(key, requests, window_seconds))
        hits, left = (window[0], (window[1] - self._clock()).total_seconds()) if window else (0, window_seconds)
        return (
            _next_window(hits, requests, left)
            if left <= window_seconds + SKEW
            else _next_window(0, requests, window_seconds)
        )


class _Counter(Protocol):
    """The methods of a limits storage that a fixed window needs."""

    def incr(self, key: str, expiry: int, amount: int = 1) -> int: ...

    def get(self, key: str) -> int: ...

    def get_expiry(self, key: str) -> float: ...

    def clear(self, key: str) -> None: ...


Operation = Callable[[_Counter, str, int, int], Window]


class RedisLimiter:
    """Counts in Redis; while it does not answer, in this process's memory, where the limit is less exact."""

    def __init__(self, url: str) -> None:
        self._redis = open_storage(url)
        self._memory = MemoryStorage()
        self._retry_at = 0.0

    def hit(self, key: str, requests: int, window_seconds: int, amount: int = 1) -> Window:
        """Count `amount` uses of `key`; return its window."""
        return self._run(partial(_count, amount), key, requests, window_seconds)

    def look(self, key: str, requests: int, window_seconds: int) -> Window:
        """Return the window of `key` as the next use would find it, without counting."""
        return self._run(_look, key, requests, window_seconds)

    def _run(self, operation: Operation, key: str, requests: int, window_seconds: int) -> Window:
        name = _name(key, requests, window_seconds)
        if time.monotonic() >= self._retry_at:
            try:
                return operation(self._redis, name, requests, window_seconds)
            except self._redis.base_exceptions as error:
                self._retry_at = time.monotonic() + REDIS_PAUSE
                log.warning("Redis cannot be used: limits are kept in memory (%s)", describe_failure(error))
        return operation(self._memory, name, requests, window_seconds)


def _count(amount: int, storage: _Counter, name: str, requests: int, window_seconds: int) -> Window:
    hits = storage.incr(name, window_seconds, amount)
    if _seconds_left(storage, name) > window_seconds + SKEW:  # the memory storage uses this machine's clock
        storage.clear(name)
        hits = storage.incr(name, window_seconds, amount)
    return _window(hits, requests, min(_seconds_left(storage, name), window_seconds))


def _look(storage: _Counter, name: str, requests: int, window_seconds: int) -> Window:
    hits = storage.get(name)
    left = _seconds_left(storage, name)
    if left > window_seconds + SKEW:
        return _next_window(0, requests, window_seconds)
    return _next_window(hits, requests, min(left, window_seconds))  # two readings of the clock must not add a second


def _seconds_left(storage: _Counter, name: str) -> float:
    return storage.get_expiry(name) - datetime.now(UTC).timestamp()


def _name(key: str, requests: int, window_seconds: int) -> str:
    return RateLimitItemPerSecond(requests, window_seconds).key_for(key)  # a changed limit starts a new window


def _window(hits: int, requests: int, left: float) -> Window:
    return Window(
        admitted=hits <= requests, limit=requests, remaining=max(0, requests - hits), reset_seconds=max(1, ceil(left))
    )


def _next_window(hits: int, requests: int, left: float) -> Window:
    """Return the window as the next use would find it."""
    return Window(
        admitted=hits < requests, limit=requests, remaining=max(0, requests - hits), reset_seconds=max(1, ceil(left))
    )
