"""Check values before they are written: their length and range, and that no text holds a secret."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from sqlalchemy import BigInteger, event, inspect
from sqlalchemy.orm import Session

from app.database.secret_text import holds_secret
from app.database.types import Base
from app.errors import Invalid

REFUSED_TEXT = "holds a secret of this server, which others could read: choose another text, and revoke that secret"


class WritingSession(Session):
    """A session that refuses what does not fit its column: SQLite would keep it, PostgreSQL would fail on it."""


@event.listens_for(WritingSession, "before_flush")
def _refuse_unfit(session: Session, _context: object, _instances: object) -> None:
    for row in (*session.new, *session.dirty):
        state = inspect(row)
        refuse_unfit_values(state.mapper.class_, vars(row))  # what is not loaded has not changed
        changed = state.mapper.column_attrs.keys() if row in session.new else state.committed_state
        refuse_secrets({name: vars(row)[name] for name in changed if name in vars(row)})


def refuse_secrets(values: Mapping[str, object]) -> None:
    """Raise Invalid for a text that holds a secret of ours: somebody took the wrong field, and others read it."""
    for name, value in values.items():
        if holds_secret(value):
            raise Invalid.field(name, REFUSED_TEXT)


def refuse_unfit_values(table: type[Base], values: Mapping[str, object]) -> None:
    """Raise Invalid for what does not fit its column of this table."""
    for name, longest, most in _bounds(table):
        _refuse_unfitting(name, values.get(name), longest, most)


@cache
def _bounds(table: type[Base]) -> tuple[tuple[str, int, int], ...]:
    """Give each column's name, its longest text and its greatest number."""
    columns = [(attribute.key, attribute.columns[0].type) for attribute in inspect(table).column_attrs]
    return tuple(
        (name, getattr(kind, "length", None) or 2**31, 2**63 - 1 if isinstance(kind, BigInteger) else 2**31 - 1)
        for name, kind in columns
    )


def _refuse_unfitting(name: str, value: object, longest: int, most: int) -> None:
    if isinstance(value, str):
        if len(value) > longest:
            raise Invalid.field(name, f"is at most {longest} characters long")
        if "\0" in value:
            raise Invalid.field(name, "holds characters that cannot be kept")
    elif isinstance(value, int) and abs(value) > most:
        raise Invalid.field(name, f"is at most {most}")
