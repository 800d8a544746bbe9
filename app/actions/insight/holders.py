"""Who can do this? Everything that carries a scope now, and the roles that give it: as introspection would answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from app.access.holders import Holder, HolderPage, read_page, roles_of_users
from app.clock import Clock
from app.credentials.kind import CredentialKind
from app.database.store import Store
from app.errors import NotFound
from app.models import Permission, Resource, RolePermission, User, UserRole

Reader = Callable[[Session, Permission, datetime, int, str | None], HolderPage]


@dataclass(frozen=True, slots=True)
class ScopeView:
    """A scope, what it is for, and the API it belongs to; `built_in` marks the management API."""

    name: str
    description: str
    public: bool
    resource_id: str
    identifier: str
    api: str
    built_in: bool


class Holders:
    """Read the tables that verification reads, from the scope to the credential."""

    def __init__(self, store: Store, kinds: Sequence[CredentialKind], clock: Clock) -> None:
        """List the users first, then the kinds: kinds with all rights of a role before kinds with chosen scopes."""
        self._store = store
        self._clock = clock
        self.titles = {"users": "Users"}
        self._readers: dict[str, Reader] = {"users": _read_users}
        for kind in reversed(kinds):
            if kind.labels.section is not None:
                self.titles[kind.labels.section] = kind.labels.many
                self._readers[kind.labels.section] = kind.holders

    @property
    def sections(self) -> tuple[str, ...]:
        """The names of the lists that `page` reads."""
        return tuple(self._readers)

    def scope(self, name: str) -> ScopeView:
        """Return a scope; raises NotFound."""
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

    def page(self, scope: str, section: str, limit: int, after: str | None = None) -> HolderPage:
        """List at most `limit` of what carries a scope now, and the cursor of the next page.

        A page may be short or empty although there is a next one. Raises NotFound.
        """
        with self._store.reading() as session:
            permission = session.scalar(select(Permission).where(Permission.name == scope))
            if permission is None:
                raise NotFound("there is no such scope")
            return self._readers[section](session, permission, self._clock(), limit, after)


def _scopes() -> Select[*tuple[Any, ...]]:
    columns = Permission.name, Permission.description, Permission.public
    api = Resource.id, Resource.identifier, Resource.name, Resource.built_in
    return select(*columns, *api).join(Resource, Resource.id == Permission.resource_id)


def _read_users(session: Session, permission: Permission, _at: datetime, limit: int, after: str | None) -> HolderPage:
    granted = select(UserRole.user_id).join(RolePermission, RolePermission.role_id == UserRole.role_id)
    granted = granted.where(RolePermission.permission_id == permission.id)
    query = select(User.id, User.display_name, User.username).where(User.id.in_(granted), User.enabled)
    rows, cursor = read_page(session, query, User.id, limit, after)
    roles = roles_of_users(session, permission, {row.id for row in rows})
    return [Holder(row.id, row.display_name, row.username, roles[row.id]) for row in rows], cursor
