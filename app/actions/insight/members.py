"""The users or clients that have a role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select, tuple_

from app.actions.directory.roles import RoleType
from app.actions.directory.rows import Page
from app.database.store import Store
from app.models import Client, ClientRole, User, UserRole

Query = Select[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Member:
    """A user, known by a username, or a client, known by its client_id."""

    id: str
    name: str
    known_as: str
    enabled: bool


@dataclass(frozen=True, slots=True)
class _Table:
    """Where the members of a type of role are, by name; the id makes that a total order."""

    assigned: Any
    owner: Any
    row: Any
    name: Any
    known_as: Any
    sorted_by: Any

    @property
    def position(self) -> tuple[Any, Any]:
        return func.lower(self.sorted_by), self.row.id

    def members(self, role_id: str) -> Query:
        columns = self.row.id, self.name, self.known_as, self.row.enabled
        return select(*columns).join(self.assigned, self.owner == self.row.id).where(self.assigned.role_id == role_id)


TABLES: Mapping[RoleType, _Table] = {
    "user": _Table(UserRole, UserRole.user_id, User, User.display_name, User.username, User.username),
    "machine": _Table(ClientRole, ClientRole.client_id, Client, Client.name, Client.client_id, Client.name),
}


class Members:
    """Read who has a role: users have those for users, clients those for machines."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(self, role_id: str, type: RoleType, limit: int, after: str | None = None) -> Page[Member]:
        """List at most `limit` members after the row `after`, users by username and clients by name."""
        table = TABLES[type]
        query = table.members(role_id).order_by(*table.position).limit(limit + 1)
        with self._store.reading() as session:
            if after is not None:
                last = session.execute(select(*table.position).where(table.row.id == after)).one_or_none()
                if last is None:
                    return [], None  # it was deleted meanwhile
                query = query.where(tuple_(*table.position) > tuple_(*last))
            rows = session.execute(query).all()
        return [Member(*row) for row in rows[:limit]], rows[limit - 1].id if len(rows) > limit else None

    def count(self, role_id: str, type: RoleType) -> int:
        """Count the members of a role."""
        table = TABLES[type]
        with self._store.reading() as session:
            return session.scalar(select(func.count(table.owner)).where(table.assigned.role_id == role_id)) or 0
