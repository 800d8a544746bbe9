"""API resources and their permissions: define, change, take away."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session, selectinload

from app.access.scopes import is_scope_name
from app.actions.audit.actor import MANAGE, Actor
from app.actions.audit.record import record
from app.actions.directory.changes import UNSET, Unset
from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.directory.names import checked_name
from app.actions.directory.paging import page
from app.actions.directory.uniqueness import refusing_duplicates
from app.clock import Clock
from app.database.locks import for_update
from app.database.store import Store
from app.database.types import new_id
from app.errors import BuiltIn, Forbidden, Invalid, NotFound
from app.models import ApiKey, Permission, Resource

TARGET = "resource"
ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
DOTS = frozenset({".", ".."})
SHORTEST_TTL, LONGEST_TTL = 60, 86_400  # seconds
DEFAULT_TTL = 3600
TAKEN_IDENTIFIER = "another resource has this identifier"
TAKEN = "a permission of this name is defined already: scope names are unique on the whole server"


@dataclass(frozen=True, slots=True)
class NewPermission:
    """What a new permission shall be."""

    name: str
    description: str = ""
    public: bool = False


@dataclass(frozen=True, slots=True)
class NewResource:
    """What a new resource shall be; `access_token_ttl` is seconds."""

    identifier: str
    name: str
    access_token_ttl: int = DEFAULT_TTL
    permissions: tuple[NewPermission, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceChanges:
    """What changes of a resource; a field left UNSET stays as it is."""

    identifier: str | Unset = UNSET
    name: str | Unset = UNSET
    access_token_ttl: int | Unset = UNSET


@dataclass(frozen=True, slots=True)
class PermissionChanges:
    """What changes of a permission; a field left UNSET stays as it is."""

    name: str | Unset = UNSET
    description: str | Unset = UNSET
    public: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class PermissionView:
    """A permission as it is shown."""

    name: str
    description: str
    public: bool


@dataclass(frozen=True, slots=True)
class ResourceView:
    """A resource as it is shown."""

    id: str
    identifier: str
    name: str
    access_token_ttl: int
    permissions: tuple[PermissionView, ...]
    built_in: bool
    created_at: datetime


class ResourceActions:
    """An operator's work on resources and permissions."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def create(self, actor: Actor, new: NewResource) -> ResourceView:
        """Define a resource with its permissions. Raises Invalid, Duplicate."""
        row = Resource(
            id=new_id("res"),
            identifier=_checked_identifier(new.identifier),
            name=checked_name(new.name),
            access_token_ttl=_checked_ttl(new.access_token_ttl),
            created_at=self._clock(),
            permissions=[_permission(permission) for permission in new.permissions],
        )
        with refusing_duplicates(TAKEN, identifier=TAKEN_IDENTIFIER), self._store.transaction() as session:
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, row.created_at, identifier=row.identifier)
            session.flush()
            return _view(_found(session, row.id))

    def change(self, actor: Actor, resource_id: str, changes: ResourceChanges) -> ResourceView:
        """Change what is named. Raises NotFound, Invalid, Duplicate, BuiltIn (our own identifier), Forbidden."""
        with refusing_duplicates(TAKEN, identifier=TAKEN_IDENTIFIER), self._store.transaction() as session:
            row = _found(session, resource_id, changing=True)
            if row.built_in and not actor.manages:
                raise Forbidden("only a holder of manage changes the management API", scope=MANAGE)
            _apply(row, changes)
            record(session, actor, f"{TARGET}.update", TARGET, row.id, self._clock())
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, resource_id: str) -> None:
        """Take a resource away: its permissions go, its API keys are revoked. Raises NotFound, BuiltIn."""
        now = self._clock()
        with self._store.transaction() as session:
            session.execute(select(Resource.id).where(Resource.id == resource_id).with_for_update())  # no key comes now
            row = _found(session, resource_id)
            _refuse_built_in(row)
            for key_id in _revoke_keys(session, row, now):
                record(session, actor, "api_key.revoke", "api_key", key_id, now, resource=row.identifier)
            session.execute(delete(Resource).where(Resource.id == resource_id))
            record(session, actor, f"{TARGET}.delete", TARGET, resource_id, now, identifier=row.identifier)

    def get(self, resource_id: str) -> ResourceView:
        """Show one resource; raises NotFound."""
        with self._store.reading() as session:
            return _view(_found(session, resource_id))

    def page(
        self, limit: int, after: str | None = None, identifier: str | None = None
    ) -> tuple[list[ResourceView], str | None]:
        """List resources, oldest first."""
        query = _whole() if identifier is None else _whole().where(Resource.identifier == identifier)
        with self._store.reading() as session:
            rows, cursor = page(session, query, Resource.id, limit, after)
            return [_view(row) for row in rows], cursor

    def add_permission(self, actor: Actor, resource_id: str, new: NewPermission) -> PermissionView:
        """Define a further permission. Raises NotFound, Invalid, Duplicate, BuiltIn."""
        with refusing_duplicates(TAKEN), self._store.transaction() as session:
            row = _found(session, resource_id, changing=True)
            _refuse_built_in(row)
            permission = _permission(new)
            row.permissions.append(permission)
            _trace(session, actor, "create", row, permission.name, self._clock())
            session.flush()
            return _permission_view(permission)

    def change_permission(
        self, actor: Actor, resource_id: str, name: str, changes: PermissionChanges
    ) -> PermissionView:
        """Rename, describe, publish or withdraw a permission. Raises NotFound, Invalid, Duplicate, BuiltIn."""
        with refusing_duplicates(TAKEN), self._store.transaction() as session:
            row = _found(session, resource_id, changing=True)
            permission = _named(row, name)
            _refuse_built_in(row)
            if not isinstance(changes.name, Unset):
                permission.name = _checked_scope(changes.name)
            if not isinstance(changes.description, Unset):
                permission.description = changes.description
            if not isinstance(changes.public, Unset):
                permission.public = changes.public
            _trace(session, actor, "update", row, name, self._clock())
            session.flush()
            return _permission_view(permission)

    def delete_permission(self, actor: Actor, resource_id: str, name: str) -> None:
        """Take a permission away from every role, key and token. Raises NotFound, BuiltIn."""
        with self._store.transaction() as session:
            row = _found(session, resource_id, changing=True)
            permission = _named(row, name)
            _refuse_built_in(row)
            session.execute(delete(Permission).where(Permission.id == permission.id))
            _trace(session, actor, "delete", row, name, self._clock())

    def permission(self, resource_id: str, name: str) -> PermissionView:
        """Show one permission; raises NotFound."""
        with self._store.reading() as session:
            return _permission_view(_named(_found(session, resource_id), name))

    def permissions(
        self, resource_id: str, limit: int, after: str | None = None
    ) -> tuple[list[PermissionView], str | None]:
        """List a resource's permissions, oldest first; raises NotFound."""
        query = select(Permission).where(Permission.resource_id == resource_id)
        with self._store.reading() as session:
            _found(session, resource_id)
            rows, cursor = page(session, query, Permission.id, limit, after)
            return [_permission_view(row) for row in rows], cursor


def _checked_identifier(identifier: str) -> str:
    """Refuse what RFC 8707 §2 does not allow as a resource indicator."""
    try:
        parts = urlsplit(identifier)
        parts.port  # noqa: B018 - raises when it is no number
    except ValueError:
        raise Invalid.field("identifier", "is not a URI") from None
    if len(identifier) > LONGEST_IDENTIFIER or ABSOLUTE_URI.fullmatch(identifier) is None:
        raise Invalid.field("identifier", f"must be an absolute URI without fragment, {LONGEST_IDENTIFIER} at most")
    if parts.scheme.lower() in ("http", "https") and (not parts.hostname or "@" in parts.netloc):
        raise Invalid.field("identifier", "must name a host, and no user")
    return identifier


def _checked_ttl(seconds: int) -> int:
    if not SHORTEST_TTL <= seconds <= LONGEST_TTL:
        raise Invalid.field("access_token_ttl", f"must be {SHORTEST_TTL} to {LONGEST_TTL} seconds")
    return seconds


def _checked_scope(name: str, field: str = "name") -> str:
    if not is_scope_name(name):
        raise Invalid.field(field, "must be 1 to 200 visible ASCII characters, without quote and backslash")
    if not DOTS.isdisjoint(name.split("/")):  # a path that ends in it would lead elsewhere (RFC 3986 §5.2.4)
        raise Invalid.field(field, "must not be . or .., nor have them between slashes")
    return name


def _permission(new: NewPermission) -> Permission:
    name = _checked_scope(new.name)
    return Permission(id=new_id("perm"), name=name, description=new.description, public=new.public)


def _apply(row: Resource, changes: ResourceChanges) -> None:
    if not isinstance(changes.identifier, Unset) and changes.identifier != row.identifier:
        _refuse_built_in(row)
        row.identifier = _checked_identifier(changes.identifier)
    if not isinstance(changes.name, Unset):
        row.name = checked_name(changes.name)
    if not isinstance(changes.access_token_ttl, Unset):
        row.access_token_ttl = _checked_ttl(changes.access_token_ttl)


def _refuse_built_in(row: Resource) -> None:
    if row.built_in:
        raise BuiltIn("the server itself stands on the management API")


def _revoke_keys(session: Session, row: Resource, now: datetime) -> Sequence[str]:
    ended = session.execute(
        update(ApiKey)
        .where(ApiKey.resource_id == row.id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason="its resource was deleted")
        .returning(ApiKey.id)
    )
    return ended.scalars().all()


def _whole() -> Select[Resource]:
    return select(Resource).options(selectinload(Resource.permissions))


def _found(session: Session, resource_id: str, *, changing: bool = False) -> Resource:
    query = _whole().where(Resource.id == resource_id)
    row = session.scalar(for_update(query, Resource) if changing else query)
    if row is None:
        raise NotFound("there is no such resource")
    return row


def _named(row: Resource, name: str) -> Permission:
    found = next((permission for permission in row.permissions if permission.name == name), None)
    if found is None:
        raise NotFound("the resource has no such permission")
    return found


def _trace(session: Session, actor: Actor, verb: str, row: Resource, name: str, now: datetime) -> None:
    record(session, actor, f"permission.{verb}", "permission", name, now, resource=row.identifier)


def _permission_view(row: Permission) -> PermissionView:
    return PermissionView(row.name, row.description, row.public)


def _view(row: Resource) -> ResourceView:
    permissions = tuple(_permission_view(p) for p in sorted(row.permissions, key=lambda p: p.name))
    return ResourceView(
        row.id, row.identifier, row.name, row.access_token_ttl, permissions, row.built_in, row.created_at
    )
