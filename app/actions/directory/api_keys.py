"""Issue, list, change, rotate and revoke API keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session, joinedload, selectinload

from app.access.listing import end_of, last_use_of
from app.access.scopes import Grants, Scopes
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.directory.changes import UNSET, Unset, assign
from app.actions.directory.escalation import refuse_delegates
from app.actions.directory.fields import Identifier, Name, Word, Words
from app.actions.directory.lifetime import future_or_never
from app.actions.directory.names import checked_name
from app.actions.directory.rows import Found, ListQuery, Page, Rows, by_number, view_of
from app.actions.directory.status import has_status, status_of
from app.clock import Clock
from app.credentials.api_key import ApiKeys
from app.credentials.kind import Issued, RateLimit, Subject, Terms
from app.database.store import Store
from app.errors import Conflict, Invalid
from app.models import ApiKey, Permission, Resource
from app.settings.addresses import read_network

KeyStatus = Literal["active", "disabled", "expired", "revoked"]
TARGET = "api_key"
LONGEST_OVERLAP = 604_800  # seconds: a week
MOST_NETWORKS = 100
KEYS = Rows(
    ApiKey,
    "there is no such API key",
    joinedload(ApiKey.resource).selectinload(Resource.permissions),
    selectinload(ApiKey.scopes),
    selectinload(ApiKey.secrets),
    orders={
        "created_at": by_number(ApiKey.created_at),
        "name": func.lower(ApiKey.name),
        "expires_at": by_number(end_of(ApiKey.expires_at)),
        "last_used_at": by_number(last_use_of(ApiKey.last_used_at, ApiKey.created_at)),
    },
    searched=(ApiKey.name, ApiKey.hint),
)
Networks = Annotated[tuple[Word, ...], Field(max_length=MOST_NETWORKS)]


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to issue; without `scopes` it carries all that is public on the resource, now and later."""

    name: Name
    resource: Annotated[Identifier, Field(description="identifier of the resource")]
    scopes: Words | None = None
    expires_at: datetime | None = None
    rate_limit: RateLimit | None = None
    allowed_ips: Annotated[Networks, Field(description="networks, such as 192.0.2.0/24")] = ()
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Changes of a key; a field left UNSET is not changed."""

    name: Name | Unset = UNSET
    scopes: Words | Unset | None = UNSET
    expires_at: datetime | Unset | None = UNSET
    rate_limit: RateLimit | Unset | None = UNSET
    allowed_ips: Networks | Unset = UNSET
    enabled: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class KeyView:
    """A key as it is shown; `scopes` are those it carries now, `resource` is None when that was deleted."""

    id: str
    name: str
    resource: str | None
    scopes: tuple[str, ...]
    narrowed: bool
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    rate_limit: RateLimit | None
    allowed_ips: tuple[str, ...]
    enabled: bool
    status: KeyStatus
    revoked_at: datetime | None
    revoked_reason: str | None


@dataclass(frozen=True, slots=True)
class KeyOverlap:
    """How long the old secret of a rotated key works beside the new one."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = 0


class ApiKeyActions:
    """Issue, list, change, rotate and revoke API keys."""

    sorts: ClassVar = KEYS.sorts

    def __init__(self, store: Store, kind: ApiKeys, clock: Clock) -> None:
        self._store = store
        self._kind = kind
        self._clock = clock

    def create(self, actor: Actor, new: NewKey) -> tuple[KeyView, Issued]:
        """Issue a key for one resource. Raises Forbidden and Invalid (resource, scopes, expiry, networks)."""
        refuse_delegates(actor)
        now = self._clock()
        with self._store.transaction() as session:
            resource = _load_resource(session, new.resource)
            terms = Terms(
                at=now,
                expires_at=future_or_never(new.expires_at, now),
                grants=_check_scopes(resource, new.scopes),
                name=checked_name(new.name),
                narrowed=new.scopes is not None,
                enabled=new.enabled,
                rate_limit=new.rate_limit,
                allowed_ips=_checked_networks(new.allowed_ips),
            )
            issued = self._kind.issue(session, Subject(resource.id), terms)
            record(session, actor, f"{TARGET}.create", TARGET, issued.credential_id, now, resource=resource.identifier)
            return _view(KEYS.load(session, ApiKey.id == issued.credential_id), now), issued

    def rotate(self, actor: Actor, key_id: str, overlap_seconds: int) -> tuple[KeyView, Issued]:
        """Issue a new secret for the key; the old one works until the overlap ends.

        Raises NotFound, Conflict, Invalid.
        """
        refuse_delegates(actor)
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP:
            raise Invalid.field("overlap_seconds", f"must be 0 to {LONGEST_OVERLAP}")
        now = self._clock()
        with self._store.transaction() as session:
            row = KEYS.load(session, ApiKey.id == key_id, lock=True)
            if (status := _status(row, now)) in ("revoked", "expired"):
                raise Conflict(f"the key is {status}: issue a new one")
            issued = self._kind.reissue(session, row, now, now + timedelta(seconds=overlap_seconds))
            record(session, actor, f"{TARGET}.rotate", TARGET, key_id, now, overlap_seconds=overlap_seconds)
            return _view(row, now), issued

    def withdraw(self, actor: Actor, key_id: str, secret: str) -> None:
        """End one secret of a key that a rotation made and that was shown to nobody. Raises NotFound."""
        now = self._clock()
        with self._store.transaction() as session:
            self._kind.end_secret(KEYS.load(session, ApiKey.id == key_id, lock=True), secret, now)
            record(session, actor, f"{TARGET}.withdraw", TARGET, key_id, now, reason="the new secret was not printed")

    def change(self, actor: Actor, key_id: str, changes: KeyChanges) -> KeyView:
        """Change the fields that are given. Raises NotFound, Conflict for a revoked key, Invalid."""
        now = self._clock()
        with self._store.transaction() as session:
            row = KEYS.load(session, ApiKey.id == key_id, lock=True)
            if row.revoked_at is not None:
                raise Conflict("the key is revoked: it can no longer be changed")
            _apply(session, row, changes, now)
            record(session, actor, f"{TARGET}.update", TARGET, key_id, now)
            session.flush()
            return _view(row, now)

    def revoke(self, actor: Actor, key_id: str) -> None:
        """Revoke a key; revoking it again changes nothing. Raises NotFound."""
        now = self._clock()
        with self._store.transaction() as session:
            KEYS.load(session, ApiKey.id == key_id)
            self.revoke_all(session, actor, [key_id], now)

    def revoke_all(self, session: Session, actor: Actor, key_ids: Sequence[str], at: datetime) -> int:
        """Revoke keys within the caller's transaction; return how many were not revoked before."""
        ended = [one for one in key_ids if self._kind.revoke(session, one, at, "revoked by an operator")]
        for key_id in ended:
            record(session, actor, f"{TARGET}.revoke", TARGET, key_id, at)
        return len(ended)

    def get(self, key_id: str) -> KeyView:
        """Return one key. Raises NotFound."""
        with self._store.reading() as session:
            return _view(KEYS.load(session, ApiKey.id == key_id), self._clock())

    def page(
        self, limit: int, after: str | None = None, status: KeyStatus | None = None, resource: str | None = None
    ) -> Page[KeyView]:
        """List keys, oldest first, of one status or one resource's identifier if given."""
        now = self._clock()
        with self._store.reading() as session:
            return KEYS.page(session, limit, after, partial(_view, now=now), *_criteria(status, resource, now))

    def search(
        self, wanted: ListQuery, *, status: KeyStatus | None = None, resource: str | None = None
    ) -> Found[KeyView]:
        """Read a list of keys, perhaps of one status or one resource's identifier."""
        now = self._clock()
        with self._store.reading() as session:
            return KEYS.search(session, wanted, partial(_view, now=now), *_criteria(status, resource, now))


def _load_resource(session: Session, identifier: str) -> Resource:
    query = select(Resource).where(Resource.identifier == identifier).options(selectinload(Resource.permissions))
    resource = session.scalar(query)
    if resource is None:
        raise Invalid.field("resource", "there is no such resource")
    if resource.built_in:
        raise Invalid.field("resource", "the management API takes no API keys")
    return resource


def _check_scopes(resource: Resource, names: tuple[str, ...] | None) -> Grants:
    asked = Scopes.of(*(names or ()))
    public = Scopes.of(*(p.name for p in resource.permissions if p.public))
    if missing := asked - public:
        raise Invalid.field("scopes", f"not a public permission of the resource: {missing}")
    return Grants({resource.identifier: asked}) if asked else Grants()


def _checked_networks(cidrs: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(str(read_network(cidr)) for cidr in cidrs)
    except ValueError:
        raise Invalid.field("allowed_ips", "each must be a network such as 192.0.2.0/24 or 2001:db8::/32") from None


def _apply(session: Session, row: ApiKey, changes: KeyChanges, now: datetime) -> None:
    expiry = partial(future_or_never, now=now)
    assign(row, changes, "enabled", name=checked_name, expires_at=expiry, allowed_ips=_checked_networks)
    if not isinstance(changes.rate_limit, Unset):
        limit = changes.rate_limit
        row.rate_limit_requests = limit.requests if limit else None
        row.rate_limit_window_seconds = limit.window_seconds if limit else None
    if not isinstance(changes.scopes, Unset):
        _set_scopes(session, row, changes.scopes)


def _set_scopes(session: Session, row: ApiKey, names: tuple[str, ...] | None) -> None:
    if row.resource is None:
        raise Conflict("the key's resource is gone")
    chosen = list(_check_scopes(row.resource, names).scopes)
    row.narrowed = names is not None
    row.scopes = list(session.scalars(select(Permission).where(Permission.name.in_(chosen))))


def _status(row: ApiKey, now: datetime) -> KeyStatus:
    status = status_of(row, now)
    return "disabled" if status == "active" and not row.enabled else status


def _criteria(status: KeyStatus | None, resource: str | None, now: datetime) -> Iterator[ColumnElement[bool]]:
    if status is not None:
        yield _has_status(status, now)
    if resource is not None:
        identified = select(Resource.id).where(Resource.identifier == resource)
        yield ApiKey.resource_id == identified.scalar_subquery()


def _has_status(status: KeyStatus, now: datetime) -> ColumnElement[bool]:
    if status == "disabled":
        return and_(has_status(ApiKey, "active", now), ~ApiKey.enabled)
    criterion = has_status(ApiKey, status, now)
    return and_(criterion, ApiKey.enabled) if status == "active" else criterion


def _view(row: ApiKey, now: datetime) -> KeyView:
    carried = row.scopes if row.narrowed else (row.resource.permissions if row.resource else [])
    requests, window = row.rate_limit_requests, row.rate_limit_window_seconds
    return view_of(
        KeyView,
        row,
        resource=row.resource.identifier if row.resource else None,
        scopes=tuple(sorted(p.name for p in carried if p.public)),
        rate_limit=RateLimit(requests, window) if requests and window else None,
        allowed_ips=tuple(row.allowed_ips),
        status=_status(row, now),
    )
