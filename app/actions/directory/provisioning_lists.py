"""Lists of what is provisioned: which part is read, and which version of an object a client has seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sqlalchemy import ColumnElement, SQLColumnExpression

from app.actions.limits.concurrency import ConcurrencyLimit
from app.errors import Malformed

if TYPE_CHECKING:
    from scim2_models import Path, ScimFilter

FoundT = TypeVar("FoundT")
IsCurrent = Callable[[str], bool]  # whether a client that names versions means the one that is stored
MOST_RESULTS = 200  # resources of one answer
HIGHEST_START = 2**31 - 1  # no list is as long
TICK = timedelta(microseconds=1)
_COSTLY = ConcurrencyLimit(2, 2, 2.0)  # filters that read a whole table for seconds: other requests need the threads


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of a list: at most `count` resources from the index `start` (0 is the first), filtered and sorted."""

    start: int = 0
    count: int = MOST_RESULTS
    filter: ScimFilter[Any] | None = None
    sort_by: Path[Any] | None = None
    down: bool = False

    @contextmanager
    def criteria(self, columns: Columns) -> Iterator[list[ColumnElement[bool]]]:
        """Return the conditions of the filter, for the body of the `with`. Raises Unfilterable, TooMany, Busy."""
        if self.filter is None:
            yield []
            return
        from app.actions.directory.provisioning_filters import Budget, criterion_of  # loaded by the first filter

        budget = Budget()
        criteria = [criterion_of(self.filter, columns, budget)]
        with _COSTLY() if budget.costly else nullcontext():
            yield criteria

    def is_beyond(self, total: int) -> bool:
        """Return whether no resource of the list, which has so many, is in this part."""
        return not self.count or self.start >= total

    def order(self, columns: Columns, *oldest_first: SQLColumnExpression[Any]) -> Sequence[Any]:
        """Return what the list is sorted by; without a value the last, in both directions. Raises Unfilterable."""
        if self.sort_by is None:
            return oldest_first
        from app.actions.directory.provisioning_filters import order_of

        value = order_of(self.sort_by, columns)
        return (value.desc().nulls_first() if self.down else value.asc().nulls_last(), *oldest_first)


@dataclass(frozen=True, slots=True)
class Part(Generic[FoundT]):
    """A part of a list, and how many the whole list has."""

    total: int
    found: Sequence[FoundT]


@dataclass(frozen=True, slots=True)
class Column:
    """What of a row an attribute is compared with.

    `fold` makes a value comparable with it, and `bind` does what only the database can do for that. `equal` is used for
    equality, and is never unknown. `among` has the values of another table: it makes a condition of one of them a
    condition of the row.
    """

    value: Any
    fold: Callable[[Any], Any] = lambda value: value
    bind: Callable[[Any], Any] = lambda value: value
    equal: Callable[[Any], ColumnElement[bool]] | None = None
    among: Callable[[ColumnElement[bool]], ColumnElement[bool]] | None = None


Columns = dict[tuple[str, str | None], Column]


class Unfilterable(Malformed):
    """A list cannot be filtered or sorted in this way; the text says by what."""


class TooMany(Malformed):
    """The answer would be too large."""


def version_of(*content: object) -> str:
    """Return the version of an object: the digest of what it holds."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def later(now: datetime, before: datetime) -> datetime:
    """Return the time of a change: after the previous one, even within one tick of the clock."""
    return max(now, before + TICK)
