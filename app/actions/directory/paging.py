"""Pages of a list: ids sort by the time they were made, and the cursor is the last id of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session


class Identified(Protocol):
    """Anything that is listed by its id."""

    id: Any


RowT = TypeVar("RowT", bound=Identified)


def page(
    session: Session, query: Select[RowT], key: InstrumentedAttribute[str], limit: int, after: str | None
) -> tuple[Sequence[RowT], str | None]:
    """Give at most `limit` rows whose id comes after `after`, and the cursor of the next page (None at the end)."""
    query = query.order_by(key).limit(limit + 1)
    query = query.where(key > after) if after is not None else query
    rows = session.scalars(query).unique().all()
    return rows[:limit], rows[limit - 1].id if len(rows) > limit else None
