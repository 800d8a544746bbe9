"""Roles: bundle permissions of any resources, for users or for machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keeping_administrators
from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.guard import refuse_exceeding, refuse_granting
from app.actions.directory.names import checked_name
from app.actions.directory.paging import page
from app.actions.directory.uniqueness import refusing_duplicates
from app.clock import Clock
from app.database.locks import for_update
from app.database.store import Store
from app.database.types import new_id
from app.errors import Invalid, NotFound
from app.models import Permission, Role
from app.models.names import plain_name

RoleType = Literal["user", "machine"]
TARGET = "role"
TAKEN = "another role has this name"


@dataclass(frozen=True, slots=True)
class NewRole:
    """What a new role shall be; `permissions` are scope names."""

    name: str
    type: RoleType
    description: str = ""
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleChanges:
    """What changes of a role; a field left UNSET stays as it is. Its type stays for ever."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    permissions: tuple[str, ...] | Unset = UNSET


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role as it is shown."""

    id: str
    name: str
    type: str
    description: str
    permissions: tuple[str, ...]
    created_at: datetime


class RoleActions:
    """An operator's work on roles."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, new: NewRole) -> RoleView:
        """Make a role. Raises Invalid (its name, an unknown permission), Duplicate, Forbidden."""
        now, name = self._clock(), checked_name(new.name)
        with refusing_duplicates(TAKEN), self._store.transaction() as session:
            permissions = _permissions(session, new.permissions)
            refuse_granting(actor, _built_in(permissions))
            row = Role(
                id=new_id("role"),
                name=name,
                type=new.type,
                description=new.description,
                created_at=now,
                permissions=permissions,
            )
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, name=name, permissions=_names(row))
            session.flush()
            return _view(row)

    def change(self, actor: Actor, role_id: str, changes: RoleChanges) -> RoleView:
        """Change what is named; all who have the role feel it at once.

        Raises NotFound, Invalid, Duplicate, Forbidden (the role carries more than the caller, or would), Conflict (it
        makes the last administrator).
        """
        now = self._clock()
        with (
            refusing_duplicates(TAKEN),
            self._store.transaction() as session,
            keeping_administrators(session, actor, now),
        ):
            row = _found(session, role_id, changing=True)
            self._refuse_exceeding(actor, row)
            if not isinstance(changes.permissions, Unset):
                permissions = _permissions(session, changes.permissions)
                refuse_granting(actor, _built_in(permissions) - _built_in(row.permissions))
                row.permissions = permissions
            if not isinstance(changes.name, Unset):
                row.name = checked_name(changes.name)
            if not isinstance(changes.description, Unset):
                row.description = changes.description
            record(session, actor, f"{TARGET}.update", TARGET, row.id, now, permissions=_names(row))
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, role_id: str) -> None:
        """Take a role away from all who have it. Raises NotFound, Forbidden, Conflict (of the last administrator)."""
        now = self._clock()
        with self._store.transaction() as session, keeping_administrators(session, actor, now):
            row = _found(session, role_id, changing=True)
            self._refuse_exceeding(actor, row)
            session.execute(delete(Role).where(Role.id == role_id))
            record(session, actor, f"{TARGET}.delete", TARGET, role_id, now, name=row.name)

    def get(self, role_id: str) -> RoleView:
        """Show one role; raises NotFound."""
        with self._store.reading() as session:
            return _view(_found(session, role_id))

    def page(
        self, limit: int, after: str | None = None, name: str | None = None, type: RoleType | None = None
    ) -> tuple[list[RoleView], str | None]:
        """List roles, oldest first, of one name or type if asked."""
        query = _whole() if name is None else _whole().where(Role.name == plain_name(name))
        query = query if type is None else query.where(Role.type == type)
        with self._store.reading() as session:
            rows, cursor = page(session, query, Role.id, limit, after)
            return [_view(row) for row in rows], cursor

    def _refuse_exceeding(self, actor: Actor, row: Role) -> None:
        refuse_exceeding(actor, Grants({self._management: _built_in(row.permissions)}), self._management)


def assignable(session: Session, names: tuple[str, ...], type: RoleType) -> list[Role]:
    """Give the roles of these names for a user or a machine; raises Invalid for an unknown or another type's."""
    wanted = tuple(dict.fromkeys(plain_name(name) for name in names))
    found = {role.name: role for role in session.scalars(select(Role).where(Role.name.in_(wanted)))}
    if unknown := [name for name in wanted if name not in found]:
        raise Invalid.field("roles", f"there is no role {', '.join(unknown)}")
    if wrong := [name for name in wanted if found[name].type != type]:
        raise Invalid.field("roles", f"only {type} roles can be assigned here, unlike {', '.join(wrong)}")
    return [found[name] for name in wanted]


def _permissions(session: Session, names: tuple[str, ...]) -> list[Permission]:
    wanted = tuple(dict.fromkeys(names))
    query = select(Permission).where(Permission.name.in_(wanted)).options(joinedload(Permission.resource))
    found = {permission.name: permission for permission in session.scalars(query)}
    if unknown := [name for name in wanted if name not in found]:
        raise Invalid.field("permissions", f"there is no permission {', '.join(unknown)}")
    return [found[name] for name in wanted]


def _built_in(permissions: list[Permission]) -> Scopes:
    return Scopes.of(*(p.name for p in permissions if p.resource.built_in))


def _names(row: Role) -> list[str]:
    return sorted(permission.name for permission in row.permissions)


def _whole() -> Select[Role]:
    return select(Role).options(selectinload(Role.permissions).joinedload(Permission.resource))


def _found(session: Session, role_id: str, *, changing: bool = False) -> Role:
    query = _whole().where(Role.id == role_id)
    row = session.scalar(for_update(query, Role) if changing else query)
    if row is None:
        raise NotFound("there is no such role")
    return row


def _view(row: Role) -> RoleView:
    return RoleView(row.id, row.name, row.type, row.description, tuple(_names(row)), row.created_at)
