"""Define, list, change and delete API resources and their permissions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session, selectinload

from app.access.scopes import is_scope_name
from app.actions.audit.actor import MANAGE, Actor
from app.actions.audit.record import record
from app.actions.directory.changes import UNSET, Unset, assign
from app.actions.directory.fields import LONGEST_IDENTIFIER, LONGEST_LIST, Description, Identifier, Name, Word
from app.actions.directory.names import checked_name
from app.actions.directory.rows import Found, ListQuery, Page, Rows, by_number, view_of
from app.actions.directory.uniqueness import translate_duplicates
from app.clock import Clock
from app.database.store import Store
from app.database.types import new_id
from app.errors import BuiltIn, Forbidden, Invalid, NotFound
from app.models import ApiKey, Permission, Resource

TARGET = "resource"
ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
DOTS = frozenset({".", ".."})
SHORTEST_TTL, LONGEST_TTL = 60, 86_400  # seconds
DEFAULT_TTL = 3600
RESOURCES = Rows(
    Resource,
    "there is no such resource",
    selectinload(Resource.permissions),
    orders={
        "created_at": by_number(Resource.created_at),
        "name": func.lower(Resource.name),
        "identifier": func.lower(Resource.identifier),
        "access_token_ttl": by_number(Resource.access_token_ttl),
    },
    searched=(Resource.name, Resource.identifier),
)
PERMISSIONS = Rows(Permission, "the resource has no such permission")
Ttl = Annotated[int, Field(ge=SHORTEST_TTL, le=LONGEST_TTL)]
BUILT_IN = "the management API is built in: it cannot be deleted, nor its identifier or permissions changed"
TAKEN_IDENTIFIER = "another resource has this identifier"
TAKEN = "a permission of this name is defined already: scope names are unique on the whole server"


@dataclass(frozen=True, slots=True)
class NewPermission:
    """A permission to define; its name is the scope, unique on the whole server."""

    name: Word
    description: Description = ""
    public: Annotated[bool, Field(description="whether API keys may carry it")] = False


@dataclass(frozen=True, slots=True)
class NewResource:
    """A resource to define."""

    identifier: Annotated[Identifier, Field(description="absolute URI without fragment")]
    name: Name
    access_token_ttl: Annotated[Ttl, Field(description="seconds")] = DEFAULT_TTL
    permissions: Annotated[tuple[NewPermission, ...], Field(max_length=LONGEST_LIST)] = ()


@dataclass(frozen=True, slots=True)
class ResourceChanges:
    """Changes of a resource; a field left UNSET is not changed."""

    identifier: Identifier | Unset = UNSET
    name: Name | Unset = UNSET
    access_token_ttl: Ttl | Unset = UNSET


@dataclass(frozen=True, slots=True)
class PermissionChanges:
    """Changes of a permission; a field left UNSET is not changed."""

    name: Word | Unset = UNSET
    description: Description | Unset = UNSET
    public: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class PermissionView:
    """A permission as it is shown; its name is the scope."""

    name: str
    description: str
    public: bool


@dataclass(frozen=True, slots=True)
class ResourceView:
    """A resource as it is shown."""

    id: str
    identifier: str
    name: str
    access_token_ttl: Annotated[int, Field(description="seconds")]
    permissions: tuple[PermissionView, ...]
    built_in: Annotated[bool, Field(description="the management API itself")]
    created_at: datetime


class ResourceActions:
    """Define, list, change and delete resources and their permissions."""

    sorts: ClassVar = RESOURCES.sorts

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
            permissions=[_new_permission(permission) for permission in new.permissions],
        )
        with translate_duplicates(TAKEN, identifier=TAKEN_IDENTIFIER), self._store.transaction() as session:
            session.add(row)
            record(session, actor, f"{TARGET}.create", TARGET, row.id, row.created_at, identifier=row.identifier)
            session.flush()
            return _view(_load(session, row.id))

    def change(self, actor: Actor, resource_id: str, changes: ResourceChanges) -> ResourceView:
        """Change the fields that are given.

        Raises NotFound, Invalid, Duplicate, BuiltIn (the identifier of the management API), Forbidden.
        """
        with translate_duplicates(TAKEN, identifier=TAKEN_IDENTIFIER), self._store.transaction() as session:
            row = _load(session, resource_id, lock=True)
            if row.built_in and not actor.manages:
                raise Forbidden("only a holder of manage changes the management API", scope=MANAGE)
            _apply(row, changes)
            record(session, actor, f"{TARGET}.update", TARGET, row.id, self._clock())
            session.flush()
            return _view(row)

    def delete(self, actor: Actor, resource_id: str) -> None:
        """Delete a resource with its permissions, and revoke its API keys. Raises NotFound, BuiltIn."""
        now = self._clock()
        with self._store.transaction() as session:
            lock = select(Resource.id).where(Resource.id == resource_id).with_for_update()
            session.execute(lock)  # no key is issued meanwhile
            row = _load(session, resource_id)
            _refuse_built_in(row)
            for key_id in _revoke_keys(session, row, now):
                record(session, actor, "api_key.revoke", "api_key", key_id, now, resource=row.identifier)
            session.execute(delete(Resource).where(Resource.id == resource_id))
            record(session, actor, f"{TARGET}.delete", TARGET, resource_id, now, identifier=row.identifier)

    def get(self, resource_id: str) -> ResourceView:
        """Return one resource. Raises NotFound."""
        with self._store.reading() as session:
            return _view(_load(session, resource_id))

    def page(self, limit: int, after: str | None = None, identifier: str | None = None) -> Page[ResourceView]:
        """List resources, oldest first, or the one with this identifier."""
        of_identifier = None if identifier is None else Resource.identifier == identifier
        with self._store.reading() as session:
            return RESOURCES.page(session, limit, after, _view, of_identifier)

    def search(self, wanted: ListQuery) -> Found[ResourceView]:
        """Read a list of resources."""
        with self._store.reading() as session:
            return RESOURCES.search(session, wanted, _view)

    def add_permission(self, actor: Actor, resource_id: str, new: NewPermission) -> PermissionView:
        """Define a further permission. Raises NotFound, Invalid, Duplicate, BuiltIn."""
        with translate_duplicates(TAKEN), self._store.transaction() as session:
            row = _load(session, resource_id, lock=True)
            _refuse_built_in(row)
            permission = _new_permission(new)
            row.permissions.append(permission)
            _record_permission(session, actor, "create", row, permission.name, self._clock())
            session.flush()
            return _permission_view(permission)

    def change_permission(
        self, actor: Actor, resource_id: str, name: str, changes: PermissionChanges
    ) -> PermissionView:
        """Rename, describe, publish or withdraw a permission. Raises NotFound, Invalid, Duplicate, BuiltIn."""
        with translate_duplicates(TAKEN), self._store.transaction() as session:
            row = _load(session, resource_id, lock=True)
            permission = _find_permission(row, name)
            _refuse_built_in(row)
            assign(permission, changes, "description", "public", name=_checked_scope)
            _record_permission(session, actor, "update", row, name, self._clock())
            session.flush()
            return _permission_view(permission)

    def delete_permission(self, actor: Actor, resource_id: str, name: str) -> None:
        """Delete a permission, so that every role, key and token loses it. Raises NotFound, BuiltIn."""
        with self._store.transaction() as session:
            row = _load(session, resource_id, lock=True)
            permission = _find_permission(row, name)
            _refuse_built_in(row)
            session.execute(delete(Permission).where(Permission.id == permission.id))
            _record_permission(session, actor, "delete", row, name, self._clock())

    def permission(self, resource_id: str, name: str) -> PermissionView:
        """Return one permission. Raises NotFound."""
        with self._store.reading() as session:
            return _permission_view(_find_permission(_load(session, resource_id), name))

    def permissions(self, resource_id: str, limit: int, after: str | None = None) -> Page[PermissionView]:
        """List a resource's permissions, oldest first. Raises NotFound."""
        with self._store.reading() as session:
            _load(session, resource_id)
            of_resource = Permission.resource_id == resource_id
            return PERMISSIONS.page(session, limit, after, _permission_view, of_resource)


def _checked_identifier(identifier: str) -> str:
    """Return the identifier. Raises Invalid when it cannot be a resource indicator (RFC 8707 §2)."""
    try:
        parts = urlsplit(identifier)
        parts.port  # noqa: B018 - raises when it is not a number
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
    if not DOTS.isdisjoint(name.split("/")):  # a path that ends in it would be another path (RFC 3986 §5.2.4)
        raise Invalid.field(field, "must not be . or .., nor have them between slashes")
    return name


def _new_permission(new: NewPermission) -> Permission:
    name = _checked_scope(new.name)
    return Permission(id=new_id("perm"), name=name, description=new.description, public=new.public)


def _apply(row: Resource, changes: ResourceChanges) -> None:
    if not isinstance(changes.identifier, Unset) and changes.identifier != row.identifier:
        _refuse_built_in(row)
        row.identifier = _checked_identifier(changes.identifier)
    assign(row, changes, name=checked_name, access_token_ttl=_checked_ttl)


def _refuse_built_in(row: Resource) -> None:
    if row.built_in:
        raise BuiltIn(BUILT_IN)


def _revoke_keys(session: Session, row: Resource, now: datetime) -> Sequence[str]:
    ended = session.execute(
        update(ApiKey)
        .where(ApiKey.resource_id == row.id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=now, revoked_reason="its resource was deleted")
        .returning(ApiKey.id)
    )
    return ended.scalars().all()


def _load(session: Session, resource_id: str, *, lock: bool = False) -> Resource:
    return RESOURCES.load(session, Resource.id == resource_id, lock=lock)


def _find_permission(row: Resource, name: str) -> Permission:
    found = next((permission for permission in row.permissions if permission.name == name), None)
    if found is None:
        raise NotFound("the resource has no such permission")
    return found


def _record_permission(session: Session, actor: Actor, verb: str, row: Resource, name: str, now: datetime) -> None:
    record(session, actor, f"permission.{verb}", "permission", name, now, resource=row.identifier)


def _permission_view(row: Permission) -> PermissionView:
    return view_of(PermissionView, row)


def _view(row: Resource) -> ResourceView:
    permissions = tuple(_permission_view(p) for p in sorted(row.permissions, key=lambda p: p.name))
    return view_of(ResourceView, row, permissions=permissions)
