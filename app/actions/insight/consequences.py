"""What a deletion would break: counts of what depends on the object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from app.access.holders import is_live
from app.clock import Clock
from app.database.store import Store
from app.models import (
    ApiKey,
    ApiKeyScope,
    ClientRole,
    ClientSecret,
    ClientServes,
    FederatedCredential,
    Permission,
    PersonalAccessToken,
    RolePermission,
    UserRole,
)


@dataclass(frozen=True, slots=True)
class Consequence:
    """How many objects of one type would be affected; `what` is the word for one of them."""

    count: int
    what: str


class Consequences:
    """Count what depends on an object, for a page that asks before it is deleted."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def of_role(self, role_id: str) -> tuple[Consequence, ...]:
        """Count the users and clients that have a role."""
        with self._store.reading() as session:
            return (
                Consequence(_count(session, UserRole.user_id, UserRole.role_id == role_id), "user"),
                Consequence(_count(session, ClientRole.client_id, ClientRole.role_id == role_id), "client"),
            )

    def of_resource(self, resource_id: str) -> tuple[Consequence, ...]:
        """Count what depends on an API resource."""
        mine, now = Permission.resource_id == resource_id, self._clock()
        permissions = select(Permission.id).where(mine)
        with self._store.reading() as session:
            roles = RolePermission.permission_id.in_(permissions)
            served = ClientServes.resource_id == resource_id
            keys = ApiKey.resource_id == resource_id, *is_live(ApiKey, now)
            return (
                Consequence(_count(session, Permission.id, mine), "permission"),
                Consequence(_count(session, RolePermission.role_id.distinct(), roles), "role"),
                Consequence(_count(session, ApiKey.id, *keys), "live API key"),
                Consequence(_count(session, ClientServes.client_id, served), "resource server"),
            )

    def of_permission(self, name: str) -> tuple[Consequence, ...]:
        """Count the roles that give a permission, and the keys that carry it."""
        permission, now = select(Permission.id).where(Permission.name == name), self._clock()
        narrowed = ApiKey.id.in_(select(ApiKeyScope.api_key_id).where(ApiKeyScope.permission_id.in_(permission)))
        resource = select(Permission.resource_id).where(Permission.name == name, Permission.public)
        whole = ~ApiKey.narrowed & ApiKey.resource_id.in_(resource)
        with self._store.reading() as session:
            roles = RolePermission.permission_id.in_(permission)
            return (
                Consequence(_count(session, RolePermission.role_id, roles), "role"),
                Consequence(_count(session, ApiKey.id, or_(narrowed, whole), *is_live(ApiKey, now)), "live API key"),
            )

    def of_user(self, user_id: str) -> tuple[Consequence, ...]:
        """Count the live tokens of a user."""
        mine = PersonalAccessToken.user_id == user_id, *is_live(PersonalAccessToken, self._clock())
        with self._store.reading() as session:
            return (Consequence(_count(session, PersonalAccessToken.id, *mine), "live personal access token"),)

    def of_client(self, client_row_id: str) -> tuple[Consequence, ...]:
        """Count the live secrets and the trusted issuers of a client."""
        mine = ClientSecret.client_id == client_row_id, *is_live(ClientSecret, self._clock())
        with self._store.reading() as session:
            issuers = _count(session, FederatedCredential.id, FederatedCredential.client_id == client_row_id)
            return (
                Consequence(_count(session, ClientSecret.id, *mine), "live secret"),
                Consequence(issuers, "trusted issuer"),
            )


def _count(session: Session, column: Any, *where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count(column)).where(*where)) or 0
