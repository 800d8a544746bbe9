"""Who carries a permission: the records of a page, and the roles that give it to a user or a client."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, or_, select
from sqlalchemy.orm import Session

from app.models import ClientRole, Permission, Role, RolePermission, UserRole


@dataclass(frozen=True, slots=True)
class GrantingRole:
    """A role that gives a permission."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Holder:
    """A user, client or credential that carries a permission through `roles`, or an API key by a public permission."""

    id: str
    name: str
    known_as: str  # a username, a client_id, or the hint of a secret
    roles: tuple[GrantingRole, ...] = ()
    owner_id: str | None = None
    owner_name: str | None = None
    narrowed: bool = False


HolderPage = tuple[list[Holder], str | None]  # and the cursor of the next page


def read_page(
    session: Session, query: Select[*tuple[Any, ...]], key: Any, limit: int, after: str | None
) -> tuple[list[Row[*tuple[Any, ...]]], str | None]:
    """Return the rows after a cursor in the order of their `key`, and the cursor of the next page."""
    query = query if after is None else query.where(key > after)
    rows = session.execute(query.order_by(key).limit(limit + 1)).all()
    return list(rows[:limit]), rows[limit - 1].id if len(rows) > limit else None


def is_live(row: Any, at: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a row is not revoked and not expired."""
    return row.revoked_at.is_(None), or_(row.expires_at.is_(None), row.expires_at > at)


def roles_of_users(session: Session, permission: Permission, users: set[str]) -> dict[str, tuple[GrantingRole, ...]]:
    """Return the roles that give a permission to these users."""
    query = select(UserRole.user_id, Role.id, Role.name).join(Role, Role.id == UserRole.role_id)
    query = query.join(RolePermission, RolePermission.role_id == Role.id).where(UserRole.user_id.in_(users))
    return _by_owner(session.execute(_select_granting(query, permission)), users)


def roles_of_clients(
    session: Session, permission: Permission, clients: set[str]
) -> dict[str, tuple[GrantingRole, ...]]:
    """Return the roles that give a permission to these clients."""
    query = select(ClientRole.client_id, Role.id, Role.name).join(Role, Role.id == ClientRole.role_id)
    query = query.join(RolePermission, RolePermission.role_id == Role.id).where(ClientRole.client_id.in_(clients))
    return _by_owner(session.execute(_select_granting(query, permission)), clients)


def _select_granting(query: Select[str, str, str], permission: Permission) -> Select[str, str, str]:
    return query.where(RolePermission.permission_id == permission.id).order_by(Role.name)


def _by_owner(rows: Iterable[Row[str, str, str]], owners: set[str]) -> dict[str, tuple[GrantingRole, ...]]:
    roles: dict[str, tuple[GrantingRole, ...]] = dict.fromkeys(owners, ())
    for owner, role_id, name in rows:
        roles[owner] += (GrantingRole(role_id, name),)
    return roles
