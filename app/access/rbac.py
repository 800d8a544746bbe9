"""What roles give now: one query each, on the connection handed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection, Select, bindparam, exists, select
from sqlalchemy.orm import Session

from app.access.scopes import Grants
from app.compat.sqlalchemy import CompiledSelect
from app.models import Client, ClientRole, ClientServes, Permission, Resource, RolePermission, UserRole

_given = (
    select(Resource.identifier, Permission.name)
    .join(Permission, Permission.resource_id == Resource.id)
    .join(RolePermission, RolePermission.permission_id == Permission.id)
)
_USER = CompiledSelect(
    _given.join(UserRole, UserRole.role_id == RolePermission.role_id).where(UserRole.user_id == bindparam("owner"))
)
_CLIENT: Select[str, str] = _given.join(ClientRole, ClientRole.role_id == RolePermission.role_id).where(
    ClientRole.client_id == bindparam("owner")
)
_ROLE: Select[str, str] = _given.where(RolePermission.role_id.in_(bindparam("roles", expanding=True)))


def grants_of_user(connection: Connection | Session, user_id: str) -> Grants:
    """Return what this user's roles give now."""
    if isinstance(connection, Session):  # sees the session's own changes
        return Grants.of((i, n) for i, n in connection.execute(_USER.statement, {"owner": user_id}))
    return Grants.of((i, n) for i, n in _USER.rows(connection, owner=user_id))


def grants_of_client(connection: Connection | Session, client_row_id: str) -> Grants:
    """Return what this client's roles give now; `client_row_id` is the row's id, not the public client_id."""
    return Grants.of((i, n) for i, n in connection.execute(_CLIENT, {"owner": client_row_id}))


def grants_of_roles(connection: Connection | Session, role_ids: list[str]) -> Grants:
    """Return what these roles give together."""
    return Grants.of((i, n) for i, n in connection.execute(_ROLE, {"roles": role_ids}))


def clients_with(permission_id: str) -> Select[str]:
    """Select the row ids of the clients whose roles give a permission."""
    given = select(ClientRole.client_id).join(RolePermission, RolePermission.role_id == ClientRole.role_id)
    return given.where(RolePermission.permission_id == permission_id)


def clients_reaching(resource_id: str) -> Select[str]:
    """Select the row ids of the clients whose roles give any permission of a resource."""
    given = select(ClientRole.client_id).join(RolePermission, RolePermission.role_id == ClientRole.role_id)
    mine = select(Permission.id).where(Permission.resource_id == resource_id)
    return given.where(RolePermission.permission_id.in_(mine))


def scopes_of_clients(session: Session, client_row_ids: Sequence[str]) -> Iterable[tuple[str, str, str]]:
    """Return what the roles of these clients give: row id, resource identifier and permission, each once."""
    query = _given.add_columns(ClientRole.client_id).join(ClientRole, ClientRole.role_id == RolePermission.role_id)
    query = query.where(ClientRole.client_id.in_(client_row_ids)).distinct()
    return ((row[2], row[0], row[1]) for row in session.execute(query))


def delegable_built_in(session: Session, client_row_id: str) -> list[str]:
    """Return the scopes of the management API that users may agree to for this client."""
    ceiling = session.scalar(select(Client.scopes).where(Client.id == client_row_id))
    named = select(Permission.name).join(Resource, Resource.id == Permission.resource_id)
    return list(session.scalars(named.where(Resource.built_in, Permission.name.in_(ceiling)))) if ceiling else []


def serves_built_in(session: Session, client_row_id: str) -> bool:
    """Return whether this client is a resource server of the management API."""
    mine = ClientServes.client_id == client_row_id, ClientServes.resource_id == Resource.id
    return bool(session.scalar(select(exists().where(*mine, Resource.built_in))))
