"""The roles, resources and permissions that a form offers when an object is created or changed.

An offer is short enough for a page. What is chosen already is always in it, so that saving a form removes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import InstrumentedAttribute

from app.actions.directory.roles import RoleType
from app.actions.insight.reach import Api, Explained
from app.database.store import Store
from app.models import Permission, Resource, Role, RolePermission, UserRole

MOST_OFFERED = 300  # choices, besides the ones already chosen
ChoiceT = TypeVar("ChoiceT")


@dataclass(frozen=True, slots=True)
class Offer(Generic[ChoiceT]):
    """What can be chosen; `more`: the list was cut, and further ones can be typed by name."""

    choices: tuple[ChoiceT, ...]
    more: bool


class Choices:
    """Read what can be chosen."""

    def __init__(self, store: Store, most: int = MOST_OFFERED) -> None:
        self._store = store
        self._most = most

    def roles(self, type: RoleType, chosen: Collection[str] = ()) -> Offer[Explained]:
        """Offer the roles of a type by name, the `chosen` ones among them."""
        query = select(Role.name, Role.description).where(Role.type == type).order_by(Role.name)
        rows, more = self._read(query, Role.name, chosen)
        return Offer(tuple(Explained(*row) for row in rows), more)

    def resources(self, chosen: Collection[str] = ()) -> Offer[Explained]:
        """Offer the resources by identifier, described by their names."""
        query = select(Resource.identifier, Resource.name).order_by(Resource.identifier)
        rows, more = self._read(query, Resource.identifier, chosen)
        return Offer(tuple(Explained(*row) for row in rows), more)

    def permissions(self, chosen: Collection[str] = ()) -> Offer[Api]:
        """Offer the permissions by API."""
        columns = select(Permission.name, Permission.description, Resource.identifier, Resource.name)
        query = columns.join(Resource, Permission.resource_id == Resource.id).order_by(Permission.name)
        rows, more = self._read(query, Permission.name, chosen)
        by_api = groupby(sorted(rows, key=lambda row: (row[3], row[2], row[0])), key=lambda row: (row[2], row[3]))
        return Offer(tuple(Api(*api, tuple(Explained(*row[:2]) for row in group)) for api, group in by_api), more)

    def give(self, roles: Collection[str], scope: str) -> bool:
        """Return whether one of the user roles of these names gives a scope."""
        query = _roles_giving(scope).where(Role.name.in_(roles), Role.type == "user")
        return self._finds(query)

    def keeps(self, user_id: str, scope: str, without_role: str) -> bool:
        """Return whether a user's roles give a scope even without the role of this id."""
        query = _roles_giving(scope).join(UserRole, UserRole.role_id == Role.id)
        return self._finds(query.where(UserRole.user_id == user_id, Role.id != without_role))

    def _read(
        self, query: Select[*tuple[Any, ...]], key: InstrumentedAttribute[str], chosen: Collection[str]
    ) -> tuple[list[Any], bool]:
        """Return the first rows and the `chosen` ones; the first column is the `key`."""
        with self._store.reading() as session:
            first = list(session.execute(query.limit(self._most + 1)))
            offered, more = first[: self._most], len(first) > self._most
            missing = set(chosen) - {row[0] for row in offered}
            others = session.execute(query.where(key.in_(missing))).all() if missing and more else []
        return [*offered, *others], more

    def _finds(self, query: Select[str]) -> bool:
        with self._store.reading() as session:
            return session.scalar(query.limit(1)) is not None


def _roles_giving(scope: str) -> Select[str]:
    query = select(Role.id).join(RolePermission, RolePermission.role_id == Role.id)
    return query.join(Permission, Permission.id == RolePermission.permission_id).where(Permission.name == scope)
