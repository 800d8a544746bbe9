"""Roles: bundles of permissions of any resources, for users or for machines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.administrators import keep_administrators
from app.actions.directory.changes import UNSET, Unset, assign
from app.actions.directory.escalation import refuse_exceeding, refuse_granting
from app.actions.directory.fields import Description, Name, Words
from app.actions.directory.names import checked_name
from app.actions.directory.provided_roles import SCIM, adopt_members
from app.actions.directory.rows import Found, ListQuery, Page, Rows, by_number, view_of
from app.actions.directory.uniqueness import translate_duplicates
from app.clock import Clock
from app.database.store import Store
from app.database.types import new_id
from app.errors import Invalid
from app.models import Permission, Role
from app.models.names import plain_name

Provisioned = Annotated[bool, Field(description="SCIM shows it as a group, and its directory adds and removes members")]
RoleType = Literal["user", "machine"]
TARGET = "role"
ROLES = Rows(
    Role,
    "there is no such role",
    selectinload(Role.permissions).joinedload(Permission.resource),
    orders={"created_at": by_number(Role.created_at), "name": func.lower(Role.name)},
    searched=(Role.name,),
)
TAKEN = "another role has this name"


@dataclass(frozen=True, slots=True)
class NewRole:
    """A role to create; `permissions` are scopes, its type cannot be changed later. SCIM keeps a `provisioned` one."""

    name: Name
    type: RoleType
    description: Description = ""
    permissions: Words = ()
    provisioned: Provisioned = False


@dataclass(frozen=True, slots=True)
class RoleChanges:
    """Changes of a role; a field left UNSET is not changed."""

    name: Name | Unset = UNSET
    description: Description | Unset = UNSET
    permissions: Words | Unset = UNSET
    provisioned: Provisioned | Unset = UNSET


@dataclass(frozen=True, slots=True)
class RoleView:
    """A role as it is shown."""

    id: str
    name: str
    type: RoleType
    description: str
    permissions: tuple[str, ...]
    provisioned: bool
    created_at: datetime


class RoleActions:
    """Create, list, change and delete roles."""

    sorts: ClassVar = ROLES.sorts

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def create(self, actor: Actor, new: NewRole) -> RoleView:
        """Create a role. Raises Invalid (its name, an unknown permission), Duplicate, Forbidden."""
        now, name = self._clock(), checked_name(new.name)
        with translate_duplicates(TAKEN), self._store.transaction() as session:
            permissions = _load_permissions(session, new.permissions)
            refuse_granting(actor, _built_in_scopes(permissions))
            row = Role(
                id=new_id("role"),
                name=name,
                type=new.type,
                description=new.description,
                created_at=now,
                permissions=permissions,
            )
            _mark(session, row, new.provisioned)
            session.add(row)
            details = {"name": name, "permissions": _permission_names(row)}
            record(session, actor, f"{TARGET}.create", TARGET, row.id, now, **details)
            session.flush()
            return _view(row)

    def change(self, actor: Actor, role_id: str, changes: RoleChanges) -> RoleView:
        """Change the fields that are given; everybody who has the role is affected at once.

        Raises NotFound, Invalid, Duplicate, Forbidden (the role carries more than the caller, or would), Conflict (it
        makes the last administrator).
        """
        now = self._clock()
        with (
            translate_duplicates(TAKEN),
            self._store.transaction() as session,
            keep_administrators(session, actor, now),
        ):
            row = _load(session, role_id, lock=True)
            self._refuse_exceeding(actor, row)
            if not isinstance(changes.permissions, Unset):
                permissions = _load_permissions(session, changes.permissions)
                refuse_granting(actor, _built_in_scopes(permissions) - _built_in_scopes(row.permissions))
                row.permissions = permissions
            assign(row, changes, "description", name=checked_name)
            if not isinstance(changes.provisioned, Unset):
                _mark(session, row, changes.provisioned)
            row.updated_at = now
            record(session, actor, f"{TARGET}.update", TARGET, row.id, now, permissions=_permission_names(row))
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, role_id: str) -> None:
        """Delete a role. Raises NotFound, Forbidden, Conflict (it makes the last administrator)."""
        now = self._clock()
        with self._store.transaction() as session, keep_administrators(session, actor, now):
            row = _load(session, role_id, lock=True)
            self._refuse_exceeding(actor, row)
            session.execute(delete(Role).where(Role.id == role_id))
            record(session, actor, f"{TARGET}.delete", TARGET, role_id, now, name=row.name)

    def get(self, role_id: str) -> RoleView:
        """Return one role. Raises NotFound."""
        with self._store.reading() as session:
            return _view(_load(session, role_id))

    def page(
        self, limit: int, after: str | None = None, name: str | None = None, type: RoleType | None = None
    ) -> Page[RoleView]:
        """List roles, oldest first, of one name or one type if given."""
        of_name = None if name is None else Role.name == plain_name(name)
        of_type = None if type is None else Role.type == type
        with self._store.reading() as session:
            return ROLES.page(session, limit, after, _view, of_name, of_type)

    def search(self, wanted: ListQuery, *, type: RoleType | None = None) -> Found[RoleView]:
        """Read a list of roles, perhaps of one type."""
        of_type = None if type is None else Role.type == type
        with self._store.reading() as session:
            return ROLES.search(session, wanted, _view, of_type)

    def _refuse_exceeding(self, actor: Actor, row: Role) -> None:
        refuse_exceeding(actor, Grants({self._management: _built_in_scopes(row.permissions)}), self._management)


def _mark(session: Session, row: Role, provisioned: bool) -> None:
    """Mark a role as provisioned, or not any more: then its members have it as one that was given here."""
    if provisioned and row.type != "user":
        raise Invalid.field("provisioned", "only a role of users is provisioned")
    if row.provisioned and not provisioned:
        adopt_members(session, row.id, SCIM)
    row.provisioned = provisioned


def load_assignable_roles(session: Session, names: tuple[str, ...], role_type: RoleType) -> list[Role]:
    """Return the roles of these names. Raises Invalid for an unknown one, and for one of another type."""
    wanted = tuple(dict.fromkeys(plain_name(name) for name in names))
    found = {role.name: role for role in session.scalars(select(Role).where(Role.name.in_(wanted)))}
    if unknown := [name for name in wanted if name not in found]:
        raise Invalid.field("roles", f"there is no role {', '.join(unknown)}")
    if wrong := [name for name in wanted if found[name].type != role_type]:
        raise Invalid.field("roles", f"only {role_type} roles can be assigned here, unlike {', '.join(wrong)}")
    return [found[name] for name in wanted]


def _load_permissions(session: Session, names: tuple[str, ...]) -> list[Permission]:
    wanted = tuple(dict.fromkeys(names))
    query = select(Permission).where(Permission.name.in_(wanted)).options(joinedload(Permission.resource))
    found = {permission.name: permission for permission in session.scalars(query)}
    if unknown := [name for name in wanted if name not in found]:
        raise Invalid.field("permissions", f"there is no permission {', '.join(unknown)}")
    return [found[name] for name in wanted]


def _built_in_scopes(permissions: list[Permission]) -> Scopes:
    return Scopes.of(*(p.name for p in permissions if p.resource.built_in))


def _permission_names(row: Role) -> list[str]:
    return sorted(permission.name for permission in row.permissions)


def _load(session: Session, role_id: str, *, lock: bool = False) -> Role:
    return ROLES.load(session, Role.id == role_id, lock=lock)


def _view(row: Role) -> RoleView:
    return view_of(RoleView, row, permissions=tuple(_permission_names(row)))
