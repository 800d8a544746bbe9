"""Check values before they are written: their length and range, and that no text contains a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

from sqlalchemy import BigInteger, event, inspect
from sqlalchemy.orm import Session

from app.database.redaction import holds_secret
from app.database.types import Base
from app.errors import Invalid

SURROGATE = re.compile("[\ud800-\udfff]")
REFUSED_TEXT = "holds a secret of this server, which others could read: choose another text, and revoke that secret"


class WritingSession(Session):
    """A session that refuses values that do not fit their column: SQLite would store them, PostgreSQL would fail."""


@event.listens_for(WritingSession, "before_flush")
def _refuse_unfit(session: Session, _context: object, _instances: object) -> None:
    for row in (*session.new, *session.dirty):
        state = inspect(row)
        refuse_unfit_values(state.mapper.class_, vars(row))  # an attribute that is not loaded has not changed
        changed = state.mapper.column_attrs.keys() if row in session.new else state.committed_state
        values = {name: vars(row)[name] for name in changed if name in vars(row)}
        refuse_secrets(values)
        for name, value in values.items():
            for text in _texts_in(value):
                _refuse_unstorable(name, text)


def refuse_secrets(values: Mapping[str, object]) -> None:
    """Raise Invalid for a text that contains a secret of ours, typed into the wrong field, where others read it."""
    for name, value in values.items():
        if holds_secret(value):
            raise Invalid.field(name, REFUSED_TEXT)


def refuse_unfit_values(table: type[Base], values: Mapping[str, object]) -> None:
    """Raise Invalid for a value that does not fit its column of this table."""
    for name, max_length, maximum in _bounds(table):
        _refuse_unfit_value(name, values.get(name), max_length, maximum)


@cache
def _bounds(table: type[Base]) -> tuple[tuple[str, int, int], ...]:
    """Return each column's name, maximum length and maximum number."""
    columns = [(attribute.key, attribute.columns[0].type) for attribute in inspect(table).column_attrs]
    return tuple(
        (name, getattr(kind, "length", None) or 2**31, 2**63 - 1 if isinstance(kind, BigInteger) else 2**31 - 1)
        for name, kind in columns
    )


def _refuse_unfit_value(name: str, value: object, max_length: int, maximum: int) -> None:
    if isinstance(value, str):
        if len(value) > max_length:
            raise Invalid.field(name, f"is at most {max_length} characters long")
        _refuse_unstorable(name, value)
    elif isinstance(value, int) and abs(value) > maximum:
        raise Invalid.field(name, f"is at most {maximum}")


def _texts_in(value: object) -> Iterator[str]:
    """Return the texts of a JSON value, the names of members among them."""
    inner = value if isinstance(value, list | tuple) else ()
    for one in [*value.keys(), *value.values()] if isinstance(value, Mapping) else inner:
        if isinstance(one, str):
            yield one
        else:
            yield from _texts_in(one)


def _refuse_unstorable(name: str, text: str) -> None:
    """Raise Invalid for a text that PostgreSQL cannot store, or once it is in JSON cannot read."""
    if "\0" in text:
        raise Invalid.field(name, "contains a null character, which cannot be stored")
    if not text.isascii() and SURROGATE.search(text):
        raise Invalid.field(name, "contains half a character (a lone surrogate), which cannot be stored")
