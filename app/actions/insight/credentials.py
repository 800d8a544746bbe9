"""Every credential of everybody: one list of all kinds, filtered, sorted and counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    SQLColumnExpression,
    func,
    literal,
    literal_column,
    or_,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.orm import Session

from app.access.listing import Listing
from app.access.scopes import Grants
from app.actions.directory.rows import Page
from app.clock import Clock
from app.credentials.kind import SecretKind, state_of
from app.database.ordering import Order, Position, read_cursor, refuse_cursor, write_cursor
from app.database.statements import batches
from app.database.store import Store
from app.errors import Invalid
from app.models import Client, Permission, Resource, User
from app.models.list_indexes import NEVER
from app.models.user import has_username

CredentialStatus = Literal["active", "disabled", "expired", "revoked"]
Sort = Literal[
    "created_at", "-created_at", "expires_at", "-expires_at", "last_used_at", "-last_used_at", "name", "-name"
]
NEWEST: Sort = "-created_at"
COLUMNS = (
    *("id", "name", "hint", "created_at", "expires_at", "revoked_at", "revoked_reason", "last_used_at", "enabled"),
    *("owner_row_id", "owner_id", "owner_name"),
)
ORDERS: Mapping[str, Callable[[Listing], ColumnElement[Any]]] = {
    "created_at": lambda listing: type_coerce(listing.created_at, BigInteger),
    "expires_at": lambda listing: type_coerce(listing.ends, BigInteger),
    "last_used_at": lambda listing: type_coerce(listing.used, BigInteger),
    "name": lambda listing: listing.sorted_name,
}
Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class CredentialFilter:
    """Which credentials to list; None of a field is all. The instants are exclusive, but `created_since` is not.

    `owner` is a user's id or username, or a client's id or client_id; `unused_since` counts the creation as a use.
    """

    kind: str | None = None
    owner: str | None = None
    scope: str | None = None
    resource: str | None = None
    status: CredentialStatus | None = None
    expires_before: datetime | None = None
    never_expires: bool | None = None
    unused_since: datetime | None = None
    created_since: datetime | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class CredentialView:
    """A credential as the list shows it: never its secret or digest."""

    id: str
    kind: str
    name: str
    hint: str | None
    owner_type: str | None
    owner_id: str | None
    owner_name: str | None
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    status: CredentialStatus
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    revoked_reason: str | None
    owner_row_id: str | None
    revocable: bool


@dataclass(frozen=True, slots=True)
class _Named:
    """The rows that a filter names: "" for a permission or resource that does not exist."""

    owners: tuple[str, ...]
    permission: str
    resource: str


class ListCredentials:
    """One query reads a page of all kinds, each kind by an index of its table; another counts what matches."""

    def __init__(self, store: Store, kinds: Sequence[SecretKind], clock: Clock) -> None:
        self._store = store
        self._kinds = kinds
        self._clock = clock

    @property
    def titles(self) -> dict[str, str]:
        """What the credentials of each kind of the list are called on pages."""
        return {kind.name: kind.labels.many for kind in self._kinds if kind.listing(self._clock())}

    @property
    def words(self) -> dict[str, str]:
        """What one credential of each kind of the list is called on pages."""
        return {name: listing.one for name, listing in self._listings(None, self._clock())}

    @property
    def endings(self) -> dict[str, str]:
        """In the list of which kind the endings of each kind are."""
        return {name: listing.ending or name for name, listing in self._listings(None, self._clock())}

    def page(
        self, wanted: CredentialFilter, limit: int, after: str | None = None, sort: Sort = NEWEST
    ) -> Page[CredentialView]:
        """List at most `limit` credentials after a cursor, and the cursor of the next page; raises Invalid."""
        now, column, down = self._clock(), sort.removeprefix("-"), sort.startswith("-")
        with self._store.reading() as session:
            listings = self._listings(wanted.kind, now)
            named, order = _find_named(session, wanted), _find_order(column, wanted)
            last = None if after is None else self._find_position(session, after, column, now)
            queries = [
                _first_rows(_select(name, one, order(one), now, wanted, named), last, limit, down)
                for name, one in listings
            ]
            rows = session.execute(_merge(queries, limit, down)).all()
            views = _views(session, dict(listings), rows[:limit], now)
        return views, write_cursor(rows[limit - 1].position, rows[limit - 1].id) if len(rows) > limit else None

    def count(self, wanted: CredentialFilter) -> int:
        """Count what matches; raises Invalid."""
        now = self._clock()
        with self._store.reading() as session:
            named = _find_named(session, wanted)
            counts = [
                select(func.count())
                .select_from(one.rows)
                .where(*_conditions(one, wanted, named, now))
                .scalar_subquery()
                for _, one in self._listings(wanted.kind, now)
            ]
            return sum(session.execute(select(*counts)).one())

    def some(self, ids: Sequence[str]) -> list[CredentialView]:
        """Return the credentials of these ids, by kind; ids of none are left out."""
        now, listings = self._clock(), self._listings(None, self._clock())
        nothing = _Named((), "", "")
        with self._store.reading() as session:
            rows = [
                row
                for name, one in listings
                for batch in batches(ids)
                for row in session.execute(
                    _select(name, one, one.sorted_name, now, CredentialFilter(), nothing).where(one.id.in_(batch))
                )
            ]
            return _views(session, dict(listings), rows, now)

    def _listings(self, name: str | None, at: datetime) -> list[tuple[str, Listing]]:
        found = ((kind.name, kind.listing(at)) for kind in self._kinds if name in (None, kind.name))
        listings = [(kind, listing) for kind, listing in found if listing is not None]
        if not listings:
            raise Invalid.field("kind", f"Must be one of: {', '.join(self.titles)}.")
        return listings

    def _find_position(self, session: Session, after: str, column: str, at: datetime) -> Position:
        """Return where the last row before a page is; raises Invalid."""
        position = read_cursor(after) if column != "name" else None
        for _, one in self._listings(None, at) if column == "name" else ():
            found = session.scalar(select(one.sorted_name).select_from(one.rows).where(one.id == after))
            position = position if found is None else (found, after)
        if position is None:
            raise refuse_cursor()
        return position


def _find_named(session: Session, wanted: CredentialFilter) -> _Named:
    owners: tuple[str, ...] = ()
    if wanted.owner is not None:
        users = select(User.id).where(or_(User.id == wanted.owner, has_username(wanted.owner)))
        clients = select(Client.id).where(or_(Client.id == wanted.owner, Client.client_id == wanted.owner))
        owners = (*session.scalars(users), *session.scalars(clients))
    permission = select(Permission.id).where(Permission.name == wanted.scope)
    resource = select(Resource.id).where(Resource.identifier == wanted.resource)
    return _Named(
        owners,
        (session.scalar(permission) or "") if wanted.scope is not None else "",
        (session.scalar(resource) or "") if wanted.resource is not None else "",
    )


def _select(
    name: str, one: Listing, position: SQLColumnExpression[Any], now: datetime, wanted: CredentialFilter, named: _Named
) -> Query:
    columns = (getattr(one, column).label(column) for column in COLUMNS)
    query: Query = select(literal(name).label("kind"), position.label("position"), *columns).select_from(one.rows)
    return query.where(*_conditions(one, wanted, named, now))


def _find_order(column: str, wanted: CredentialFilter) -> Callable[[Listing], SQLColumnExpression[Any]]:
    """Return what rows are sorted by: not by an index where a range of another instant finds them.

    SQLite would read all rows in their order, because it does not know how few a range has.
    """
    order = ORDERS[column]
    ranges = {
        "expires_at": wanted.expires_before is not None or wanted.status == "expired",
        "last_used_at": wanted.unused_since is not None,
    }
    if column == "name" or not any(given for name, given in ranges.items() if name != column):
        return order
    return lambda one: order(one).op("+")(0)


def _conditions(
    one: Listing, wanted: CredentialFilter, named: _Named, now: datetime
) -> Iterator[SQLColumnExpression[bool]]:
    if one.among is not None:
        yield one.among
    if wanted.owner is not None:
        yield one.owner_row_id.in_(named.owners)
    if wanted.scope is not None:
        yield one.carries(named.permission)
    if wanted.resource is not None:
        yield one.reaches(named.resource)
    if wanted.status is not None:
        yield from _of_status(one, wanted.status, now)
    if wanted.never_expires is not None:
        never: ColumnElement[datetime] = literal_column(str(NEVER))  # as in the index
        yield one.ends == never if wanted.never_expires else one.ends < never
    if wanted.expires_before is not None:
        yield one.ends < wanted.expires_before
    if wanted.unused_since is not None:
        yield one.used < wanted.unused_since
    if wanted.created_since is not None:
        yield one.created_at >= wanted.created_since
    if wanted.q is not None:
        yield or_(one.matches(wanted.q), one.id == wanted.q)  # log lines and audit events name it by its id


def _of_status(one: Listing, status: CredentialStatus, now: datetime) -> Iterator[SQLColumnExpression[bool]]:
    """Return the conditions by which `state_of` gives this status."""
    if status == "revoked":
        yield one.revoked_at.is_not(None)
        return
    yield one.revoked_at.is_(None)
    if status == "expired":
        yield one.ends <= now
        return
    yield or_(one.expires_at.is_(None), one.expires_at > now)
    yield one.enabled if status == "active" else ~one.enabled


def _first_rows(query: Query, last: Position | None, limit: int, down: bool) -> Query:
    """Return the first rows after `last` in one order; the next page exists if there is one more than `limit`."""
    order = Order(query.selected_columns["position"].element, query.selected_columns["id"].element, down)
    query = query if last is None else query.where(order.after(last))
    return query.order_by(*order.terms).limit(limit + 1)


def _merge(queries: Sequence[Query], limit: int, down: bool) -> Any:
    if len(queries) == 1:
        return queries[0]
    together = union_all(*(select(query.subquery()) for query in queries)).subquery()
    return select(together).order_by(*Order(together.c.position, together.c.id, down).terms).limit(limit + 1)


def _views(
    session: Session, listings: Mapping[str, Listing], rows: Sequence[Row[*tuple[Any, ...]]], now: datetime
) -> list[CredentialView]:
    granted = _grants(session, listings, rows)
    return [_view(row, listings[row.kind], granted.get(row.id, Grants()), now) for row in rows]


def _grants(
    session: Session, listings: Mapping[str, Listing], rows: Sequence[Row[*tuple[Any, ...]]]
) -> dict[str, Grants]:
    pairs: dict[str, list[tuple[str, str]]] = {}
    for name, one in listings.items():
        for batch in batches([row.id for row in rows if row.kind == name]):
            for row_id, identifier, scope in one.grants(session, batch):
                pairs.setdefault(row_id, []).append((identifier, scope))
    return {row_id: Grants.of(some) for row_id, some in pairs.items()}


def _view(row: Row[*tuple[Any, ...]], one: Listing, grants: Grants, now: datetime) -> CredentialView:
    status: Any
    status, _ = state_of(row.revoked_at, row.revoked_reason, row.expires_at, now, enabled=row.enabled)
    return CredentialView(
        id=row.id,
        kind=row.kind,
        name=row.name,
        hint=row.hint,
        owner_type=one.owner_type,
        owner_id=row.owner_id,
        owner_name=row.owner_name,
        scopes=tuple(grants.scopes),
        resources=grants.audience,
        status=status,
        created_at=row.created_at,
        expires_at=row.expires_at,
        last_used_at=row.last_used_at,
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
        owner_row_id=row.owner_row_id,
        revocable=one.revocable and status != "revoked",
    )
