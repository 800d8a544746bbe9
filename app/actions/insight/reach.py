"""The permissions that a user's roles give, by API, with their descriptions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Row, Select, select

from app.database.store import Store
from app.models import Permission, Resource, RolePermission, UserRole


@dataclass(frozen=True, slots=True)
class Explained:
    """A scope and what it is for."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Api:
    """A resource and the scopes on it."""

    identifier: str
    name: str
    scopes: tuple[Explained, ...]


class Reach:
    """Read what roles give, for people to choose from."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_user(self, user_id: str) -> tuple[Api, ...]:
        """Return the APIs and scopes that the user's roles give now, both by name."""
        given = _permissions().where(
            Permission.id.in_(
                select(RolePermission.permission_id)
                .join(UserRole, UserRole.role_id == RolePermission.role_id)
                .where(UserRole.user_id == user_id)
            )
        )
        with self._store.reading() as session:
            return _by_api(session.execute(given))


def _permissions() -> Select[str, str, str, str]:
    columns = select(Resource.identifier, Resource.name, Permission.name, Permission.description)
    return columns.join(Permission, Permission.resource_id == Resource.id).order_by(Resource.name, Permission.name)


def _by_api(rows: Iterable[Row[str, str, str, str]]) -> tuple[Api, ...]:
    names: dict[str, str] = {}
    scopes: dict[str, list[Explained]] = {}
    for identifier, api, scope, description in rows:
        names[identifier] = api
        scopes.setdefault(identifier, []).append(Explained(scope, description))
    return tuple(Api(identifier, name, tuple(scopes[identifier])) for identifier, name in names.items())
