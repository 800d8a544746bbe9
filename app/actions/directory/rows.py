"""Load, page and show the rows of a noun, in the same way for every noun."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from app.database.locks import for_update
from app.database.types import Base
from app.errors import NotFound

RowT = TypeVar("RowT", bound=Base)
ViewT = TypeVar("ViewT")
Page = tuple[list[ViewT], str | None]


class Rows(Generic[RowT]):
    """The rows of one table, loaded with their relations; `missing` is what NotFound says."""

    def __init__(self, table: type[RowT], missing: str, *relations: ORMOption) -> None:
        self._table = table
        self._missing = missing
        self._id = cast(Any, table).id  # ids sort by the time at which they were made
        self._query: Select[RowT] = select(table).options(*relations)

    def load(self, session: Session, *criteria: ColumnElement[bool], lock: bool = False) -> RowT:
        """Return the row; with `lock`, lock it until the transaction ends. Raises NotFound."""
        query = self._query.where(*criteria)
        row = session.scalar(for_update(query, self._table) if lock else query)
        if row is None:
            raise NotFound(self._missing)
        return row

    def all(self, session: Session, *criteria: ColumnElement[bool]) -> Sequence[RowT]:
        """Return the rows, in the order of their ids: two that lock them do not wait for each other."""
        return session.scalars(self._query.where(*criteria).order_by(self._id)).unique().all()

    def page(
        self,
        session: Session,
        limit: int,
        after: str | None,
        view: Callable[[RowT], ViewT],
        *criteria: ColumnElement[bool] | None,
        newest_first: bool = False,
    ) -> Page[ViewT]:
        """Return at most `limit` views of rows whose id comes after `after`, and the cursor of the next page.

        The cursor is the last id of the page, None at the end. A criterion that is None is left out.
        """
        query = self._query.where(*(criterion for criterion in criteria if criterion is not None))
        if after is not None:
            query = query.where(self._id < after if newest_first else self._id > after)
        order = self._id.desc() if newest_first else self._id
        rows = session.scalars(query.order_by(order).limit(limit + 1)).unique().all()
        shown = [view(row) for row in rows[:limit]]
        return shown, cast(Any, rows[limit - 1]).id if len(rows) > limit else None


def view_of(view: type[ViewT], row: object, **computed: Any) -> ViewT:
    """Return the view of a row: the `computed` fields, and all others as the row has them."""
    names = [field.name for field in dataclasses.fields(view) if field.name not in computed]  # type: ignore[arg-type]
    return view(**{name: getattr(row, name) for name in names}, **computed)
