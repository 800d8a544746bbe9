"""Load, page and show the rows of a noun, in the same way for every noun."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, SQLColumnExpression, func, select, type_coerce
from sqlalchemy.orm import Session
from sqlalchemy.orm.interfaces import ORMOption

from app.database.locks import for_update
from app.database.ordering import Order, Position, contains_text, read_cursor, refuse_cursor, write_cursor
from app.database.types import Base
from app.errors import NotFound

RowT = TypeVar("RowT", bound=Base)
ViewT = TypeVar("ViewT")
Page = tuple[list[ViewT], str | None]
NEWEST = "-created_at"


@dataclass(frozen=True, slots=True)
class ListQuery:
    """The part of a list to read: at most `limit` rows after a cursor, sorted; all of them contain the text `q`.

    `sort` is the name of an order, with "-" before it from the highest value down.
    """

    limit: int
    after: str | None = None
    sort: str = NEWEST
    q: str | None = None


@dataclass(frozen=True, slots=True)
class Found(Generic[ViewT]):
    """A part of a list, the cursor of the next one (None at the end), and how many rows the whole list has."""

    rows: Sequence[ViewT]
    cursor: str | None
    count: int


class Rows(Generic[RowT]):
    """The rows of one table, loaded with their relations; `missing` is what NotFound says.

    `orders` are the values by which lists of them are sorted, `searched` the texts that a search reads.
    """

    def __init__(
        self,
        table: type[RowT],
        missing: str,
        *relations: ORMOption,
        orders: Mapping[str, ColumnElement[Any]] | None = None,
        searched: Sequence[SQLColumnExpression[Any]] = (),
    ) -> None:
        self._table = table
        self._missing = missing
        self._orders = orders or {}
        self._searched = searched
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

    @property
    def sorts(self) -> tuple[str, ...]:
        """The orders of a list, up and down."""
        return tuple(f"{sign}{name}" for name in self._orders for sign in ("", "-"))

    def search(
        self,
        session: Session,
        wanted: ListQuery,
        view: Callable[[RowT], ViewT],
        *criteria: ColumnElement[bool] | None,
    ) -> Found[ViewT]:
        """Return a part of the sorted list of what matches; raises Invalid. A criterion that is None is left out."""
        value, down = self._orders[wanted.sort.removeprefix("-")], wanted.sort.startswith("-")
        order = Order(value, self._id, down)
        matching = [criterion for criterion in criteria if criterion is not None]
        if wanted.q is not None:
            matching.append(contains_text(wanted.q, *self._searched))
        query = self._query.add_columns(value.label("position")).where(*matching)
        if wanted.after is not None:
            query = query.where(order.after(self._find_position(session, value, wanted.after)))
        found = session.execute(query.order_by(*order.terms).limit(wanted.limit + 1)).unique().all()
        rows = found[: wanted.limit]
        cursor = write_cursor(rows[-1][1], cast(Any, rows[-1][0]).id) if len(found) > len(rows) else None
        count = len(rows)
        if cursor is not None or wanted.after is not None:  # this page is not all
            count = session.scalar(select(func.count()).select_from(self._table).where(*matching)) or 0
        return Found([view(row) for row, _ in rows], cursor, count)

    def _find_position(self, session: Session, value: ColumnElement[Any], after: str) -> Position:
        """Return where the last row before a page is; raises Invalid."""
        if isinstance(value.type, Integer):
            position = read_cursor(after)
        else:
            found = session.scalar(select(value).where(self._id == after))
            position = None if found is None else (found, after)
        if position is None:
            raise refuse_cursor()
        return position


def by_number(column: Any) -> ColumnElement[int]:
    """Return an instant or a number as it is stored: cursors hold it."""
    return type_coerce(column, BigInteger)


def view_of(view: type[ViewT], row: object, **computed: Any) -> ViewT:
    """Return the view of a row: the `computed` fields, and all others as the row has them."""
    names = [field.name for field in dataclasses.fields(view) if field.name not in computed]  # type: ignore[arg-type]
    return view(**{name: getattr(row, name) for name in names}, **computed)
