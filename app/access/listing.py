"""What a kind of credential says of itself to a list of every kind: its columns, and the conditions of the filters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    SQLColumnExpression,
    String,
    cast,
    func,
    literal_column,
    null,
    type_coerce,
)
from sqlalchemy.orm import Session

from app.database.types import Instant
from app.models.list_indexes import NEVER

Granted = tuple[str, str, str]  # the id of a credential, the identifier of a resource, the name of a permission


def no_instant() -> ColumnElement[datetime | None]:
    """Return the column of a time that a kind does not store."""
    return type_coerce(cast(null(), BigInteger), Instant)


def no_text() -> ColumnElement[str | None]:
    """Return the column of a text that a kind does not store."""
    return cast(null(), String)


def end_of(expires_at: SQLColumnExpression[Any]) -> ColumnElement[datetime]:
    """Return when something expires, NEVER if it does not: the expression that the tables have an index of."""
    return func.coalesce(expires_at, literal_column(str(NEVER)), type_=Instant)


def last_use_of(
    last_used_at: SQLColumnExpression[Any], created_at: SQLColumnExpression[Any]
) -> ColumnElement[datetime]:
    """Return when something was last used; what was never used counts from its creation."""
    return func.coalesce(last_used_at, created_at, type_=Instant)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Where the rows of a kind are, and how they are filtered.

    `among` is the condition that a row is a credential of the kind, None where every row is. `enabled` is the condition
    that the credential and its owner are; `matches` takes the text that is searched for,
    `carries` and `reaches` the row id of a permission and of a resource. `revocable`: by its id, as one of many.
    `use_known`: whether the table stores the last use.
    """

    one: str  # what pages call one
    rows: FromClause | type[Any]
    id: SQLColumnExpression[str]
    name: SQLColumnExpression[str]
    hint: SQLColumnExpression[Any]
    created_at: SQLColumnExpression[datetime]
    enabled: SQLColumnExpression[bool]
    matches: Callable[[str], ColumnElement[bool]]
    carries: Callable[[str], ColumnElement[bool]]
    reaches: Callable[[str], ColumnElement[bool]]
    grants: Callable[[Session, Sequence[str]], Iterable[Granted]]
    expires_at: SQLColumnExpression[Any]
    revoked_at: SQLColumnExpression[Any]
    revoked_reason: SQLColumnExpression[Any]
    last_used_at: SQLColumnExpression[Any]
    owner_type: str | None = None
    owner_row_id: SQLColumnExpression[Any]
    owner_id: SQLColumnExpression[Any]
    owner_name: SQLColumnExpression[Any]
    revocable: bool = True
    use_known: bool = True
    among: ColumnElement[bool] | None = None
    ending: str | None = None  # the kind in whose list its endings are counted; None: its own

    @property
    def ends(self) -> ColumnElement[datetime]:
        """Return when it expires, NEVER for one that does not."""
        return end_of(self.expires_at)

    @property
    def used(self) -> ColumnElement[datetime]:
        """Return when it was last used; one that was never used counts from its creation."""
        return last_use_of(self.last_used_at, self.created_at)

    @property
    def sorted_name(self) -> ColumnElement[str]:
        """Return the name by which it is sorted."""
        return func.lower(self.name)
