"""Who can do this? Everything that carries a scope now, and what it comes through: as introspection would say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, Select, exists, or_, select
from sqlalchemy.orm import Session

from app.clock import Clock
from app.database.store import Store
from app.errors import NotFound
from app.models import (
    ApiKey,
    ApiKeyScope,
    Client,
    ClientRole,
    Permission,
    PersonalAccessToken,
    Resource,
    Role,
    RolePermission,
    User,
    UserRole,
)
from app.models import PersonalAccessTokenScope as Chosen

Kind = Literal["users", "clients", "api_keys", "tokens"]
KINDS: tuple[Kind, ...] = ("users", "clients", "api_keys", "tokens")
LOOKS = (200, 2000, 20_000)  # how many choices are looked through for a page, step by step


@dataclass(frozen=True, slots=True)
class ScopeView:
    """A scope, what it is for, and the API it lies on; `built_in` marks our own."""

    name: str
    description: str
    public: bool
    resource_id: str
    identifier: str
    api: str
    built_in: bool


@dataclass(frozen=True, slots=True)
class Giving:
    """A role that gives the scope."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Holder:
    """What carries the scope. `roles` are those it comes through; a key's comes from the permission being public."""

    id: str
    name: str
    known_as: str  # a username, a client_id, or what a secret is recognised by
    roles: tuple[Giving, ...] = ()
    owner_id: str | None = None
    owner_name: str | None = None
    narrowed: bool = False


@dataclass(frozen=True, slots=True)
class _Token:
    id: str
    name: str
    hint: str
    owner: str
    username: str


Page = tuple[list[Holder], str | None]


class Holders:
    """Reads the tables that verifying reads, the other way round."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def scope(self, name: str) -> ScopeView:
        """Show a scope; raises NotFound."""
        with self._store.reading() as session:
            found = session.execute(_scopes().where(Permission.name == name)).one_or_none()
        if found is None:
            raise NotFound("there is no such scope")
        return ScopeView(*found)

    def scopes(self, part: str, limit: int) -> list[ScopeView]:
        """List at most `limit` scopes with this part in their name, by API and name."""
        wanted = _scopes().where(Permission.name.contains(part, autoescape=True)).order_by(Resource.name)
        with self._store.reading() as session:
            return [ScopeView(*row) for row in session.execute(wanted.order_by(Permission.name).limit(limit))]

    def page(self, scope: str, kind: Kind, limit: int, after: str | None = None) -> Page:
        """List at most `limit` of what carries a scope now, and the cursor to go on from; a page may be short or empty.

        Raises NotFound.
        """
        with self._store.reading() as session:
            permission = session.scalar(select(Permission).where(Permission.name == scope))
            if permission is None:
                raise NotFound("there is no such scope")
            return _READERS[kind](session, permission, self._clock(), limit, after)


def _scopes() -> Select[*tuple[Any, ...]]:
    columns = Permission.name, Permission.description, Permission.public
    api = Resource.id, Resource.identifier, Resource.name, Resource.built_in
    return select(*columns, *api).join(Resource, Resource.id == Permission.resource_id)


def _users(session: Session, permission: Permission, _now: datetime, limit: int, after: str | None) -> Page:
    query = select(User.id, User.display_name, User.username).where(User.id.in_(_given_to_users(permission)))
    rows, cursor = _cut(session, query.where(User.enabled), User.id, limit, after)
    roles = _roles_of_users(session, permission, {row.id for row in rows})
    return [Holder(row.id, row.display_name, row.username, roles[row.id]) for row in rows], cursor


def _clients(session: Session, permission: Permission, _now: datetime, limit: int, after: str | None) -> Page:
    given = select(ClientRole.client_id).join(RolePermission, RolePermission.role_id == ClientRole.role_id)
    given = given.where(RolePermission.permission_id == permission.id)
    query = select(Client.id, Client.name, Client.client_id).where(Client.id.in_(given), Client.enabled)
    rows, cursor = _cut(session, query, Client.id, limit, after)
    roles = _roles_of_clients(session, permission, {row.id for row in rows})
    return [Holder(row.id, row.name, row.client_id, roles[row.id]) for row in rows], cursor


def _api_keys(session: Session, permission: Permission, now: datetime, limit: int, after: str | None) -> Page:
    if not permission.public:
        return [], None
    kept = exists().where(ApiKeyScope.api_key_id == ApiKey.id, ApiKeyScope.permission_id == permission.id)
    query = select(ApiKey.id, ApiKey.name, ApiKey.hint, ApiKey.narrowed).where(
        ApiKey.resource_id == permission.resource_id,
        ApiKey.enabled,
        *_live(ApiKey, now),
        or_(~ApiKey.narrowed, kept),
    )
    rows, cursor = _cut(session, query, ApiKey.id, limit, after)
    return [Holder(row.id, row.name, row.hint, narrowed=row.narrowed) for row in rows], cursor


def _tokens(session: Session, permission: Permission, now: datetime, limit: int, after: str | None) -> Page:
    """Go through the choices of this scope in their order, until a page is full or enough was looked through."""
    looked, found = int(after or 0), list[tuple[int, _Token]]()
    for size in LOOKS:
        chosen = _choices(session, permission, looked, size)
        standing = _standing(session, permission, now, [token for _, token in chosen])
        found += [(choice, standing[token]) for choice, token in chosen if token in standing]
        looked = chosen[-1][0] if len(chosen) == size else 0
        if len(found) > limit or not looked:
            break
    last = found[limit - 1][0] if len(found) > limit else looked
    page = [token for _, token in found[:limit]]
    roles = _roles_of_users(session, permission, {one.owner for one in page})
    held = [Holder(one.id, one.name, one.hint, roles[one.owner], one.owner, one.username) for one in page]
    return held, str(last) if last else None


def _choices(session: Session, permission: Permission, after: int, size: int) -> list[tuple[int, str]]:
    chosen = select(Chosen.id, Chosen.token_id).where(Chosen.permission_id == permission.id, Chosen.id > after)
    return [(choice, token) for choice, token in session.execute(chosen.order_by(Chosen.id).limit(size))]


def _standing(session: Session, permission: Permission, now: datetime, tokens: list[str]) -> dict[str, _Token]:
    """Keep those tokens that are live, and whose user is enabled and given the scope: each step by a primary key."""
    row = PersonalAccessToken
    given = exists().where(
        UserRole.user_id == User.id,
        UserRole.role_id == RolePermission.role_id,
        RolePermission.permission_id == permission.id,
    )
    query = select(row.id, row.name, row.hint, User.id, User.username).join(User, User.id == row.user_id)
    live = query.where(row.id.in_(tokens), User.enabled, *_live(row, now), given)
    return {found[0]: _Token(*found) for found in session.execute(live)}


_READERS = {"users": _users, "clients": _clients, "api_keys": _api_keys, "tokens": _tokens}


def _cut(
    session: Session, query: Select[*tuple[Any, ...]], key: Any, limit: int, after: str | None
) -> tuple[list[Row[*tuple[Any, ...]]], str | None]:
    query = query if after is None else query.where(key > after)
    rows = session.execute(query.order_by(key).limit(limit + 1)).all()
    return list(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None


def _given_to_users(permission: Permission) -> Select[str]:
    given = select(UserRole.user_id).join(RolePermission, RolePermission.role_id == UserRole.role_id)
    return given.where(RolePermission.permission_id == permission.id)


def _live(row: type[PersonalAccessToken | ApiKey], now: datetime) -> tuple[ColumnElement[bool], ...]:
    return row.revoked_at.is_(None), or_(row.expires_at.is_(None), row.expires_at > now)


def _roles_of_users(session: Session, permission: Permission, users: set[str]) -> dict[str, tuple[Giving, ...]]:
    query = select(UserRole.user_id, Role.id, Role.name).join(Role, Role.id == UserRole.role_id)
    query = query.join(RolePermission, RolePermission.role_id == Role.id).where(UserRole.user_id.in_(users))
    return _by_owner(session.execute(_of(query, permission)), users)


def _roles_of_clients(session: Session, permission: Permission, clients: set[str]) -> dict[str, tuple[Giving, ...]]:
    query = select(ClientRole.client_id, Role.id, Role.name).join(Role, Role.id == ClientRole.role_id)
    query = query.join(RolePermission, RolePermission.role_id == Role.id).where(ClientRole.client_id.in_(clients))
    return _by_owner(session.execute(_of(query, permission)), clients)


def _of(query: Select[str, str, str], permission: Permission) -> Select[str, str, str]:
    return query.where(RolePermission.permission_id == permission.id).order_by(Role.name)


def _by_owner(rows: Iterable[Row[str, str, str]], owners: set[str]) -> dict[str, tuple[Giving, ...]]:
    found: dict[str, tuple[Giving, ...]] = dict.fromkeys(owners, ())
    for owner, role_id, name in rows:
        found[owner] += (Giving(role_id, name),)
    return found
