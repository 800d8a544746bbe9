"""Share compiled statements among the engines of a process: each test has an engine, which would compile its own."""

from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

MOST = 5_000  # statements
DIALECTS = (SQLiteDialect_pysqlite, PGDialect_psycopg)
_shared: LRUCache[Any, Any] = LRUCache(MOST)


def share() -> None:
    """Share what is compiled for a dialect: two of a process do not differ, as it has one version of each server."""
    Engine._compiled_cache = property(_cache_of, _keep_own)  # type: ignore[assignment]
    for dialect in DIALECTS:
        dialect.__eq__ = _are_alike  # type: ignore[method-assign,assignment]
        dialect.__hash__ = _hash_of  # type: ignore[method-assign,assignment]


def _cache_of(engine: Engine) -> Any:
    return _shared if type(engine.dialect) in DIALECTS else vars(engine)["_compiled_cache"]


def _keep_own(engine: Engine, cache: Any) -> None:
    vars(engine)["_compiled_cache"] = cache


def _are_alike(one: Dialect, other: object) -> bool:
    return type(one) is type(other)


def _hash_of(dialect: Dialect) -> int:
    return hash(type(dialect))
