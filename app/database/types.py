"""The column types, the declarative base and the ids that every table shares."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime, timedelta

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, Dialect, MetaData
from sqlalchemy.orm import DeclarativeBase, registry
from sqlalchemy.types import TypeDecorator

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
NAMING_CONVENTION = {  # SQLite's batch migrations can only drop named constraints
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, stored as microseconds since 1970: alike on every database, and cheap to read."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Return the number to store."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Return the instant of a stored number."""
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Base(DeclarativeBase):
    """The declarative base of every table."""

    registry = registry(metadata=MetaData(naming_convention=NAMING_CONVENTION), type_annotation_map={datetime: Instant})


db = SQLAlchemy(model_class=Base)


def new_id(prefix: str) -> str:
    """Return a fresh opaque id that sorts by the time of its creation: `prefix_` + milliseconds + 80 random bits."""
    return f"{prefix}_{time.time_ns() // 1_000_000:011x}{secrets.token_hex(10)}"
