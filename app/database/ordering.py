"""Lists in an order: rows by a value and then by id, the part after a cursor, and the search for a part of a text."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, SQLColumnExpression, UnaryExpression, func, or_, select, tuple_

from app.errors import Invalid

BAD_CURSOR = "is not a page of this list in this order: start again from the first page"
NUMBER_AND_ID = re.compile(r"([0-9]{1,19})_(.+)")
HIGHEST = 2**63 - 1
Position = tuple[Any, str]  # the value of a row, and its id


@dataclass(frozen=True, slots=True)
class Order:
    """An order of rows by a value, which the id makes total; `down`: the highest first."""

    value: SQLColumnExpression[Any]
    row_id: SQLColumnExpression[str]
    down: bool

    @property
    def terms(self) -> tuple[UnaryExpression[Any] | SQLColumnExpression[Any], ...]:
        """Return what a query is ordered by."""
        return (self.value.desc(), self.row_id.desc()) if self.down else (self.value, self.row_id)

    def after(self, last: Position) -> ColumnElement[bool]:
        """Return the condition of the rows that come after the row at this position."""
        here, there = tuple_(self.value, self.row_id), tuple_(*last)
        return here < there if self.down else here > there


def write_cursor(value: Any, row_id: str) -> str:
    """Return the cursor after a row; of a text the id alone: it changes rarely, and does not fit into a cursor."""
    return f"{value}_{row_id}" if isinstance(value, int) else row_id


def read_cursor(cursor: str) -> Position | None:
    """Return the position that a cursor names by a number and an id; None if it names none."""
    read = NUMBER_AND_ID.fullmatch(cursor)
    return (int(read[1]), read[2]) if read and int(read[1]) <= HIGHEST else None


def refuse_cursor() -> Invalid:
    """Return the error for a cursor that is not of this list."""
    return Invalid.field("cursor", BAD_CURSOR)


def contains_text(text: str, *columns: SQLColumnExpression[Any]) -> ColumnElement[bool]:
    """Return the condition that a column contains a text, which is not a pattern, whatever the case of its letters.

    SQLite knows the case of ASCII letters only: there a search for "ö" does not find "Ö".
    It reads every row: 20,000 take tens of milliseconds, and PostgreSQL's pg_trgm needs rights that we may not have.
    """
    composed = unicodedata.normalize("NFC", text)  # as names are stored
    escaped = re.sub(r"[/%_]", r"/\g<0>", composed)
    pattern = select(func.lower(f"%{escaped}%")).scalar_subquery()  # once, not for each row as ILIKE does
    return or_(*(func.lower(column).like(pattern, escape="/") for column in columns))
