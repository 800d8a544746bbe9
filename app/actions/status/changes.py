"""Which indexes depend on what has changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, Select, and_, select, union

from app.crypto.signing import KID, LONGEST_LIFETIME
from app.models import (
    ApiKey,
    ClientRole,
    Permission,
    RolePermission,
    SigningKey,
    StatusEntry,
    StatusList,
    StatusSubject,
    UserRole,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """An index as it is judged; `signed`: its key is still one of the server's, until `retires_at`."""

    number: int
    idx: int
    kind: str
    jti: str
    claims: str
    created_at: datetime
    valid_until: datetime | None
    revoked: bool
    ends_at: datetime
    signed: bool
    retires_at: datetime | None


def entries_of(owners: Sequence[str]) -> Select[*tuple[Any, ...]]:
    """Select the indexes of these clients, personal access tokens, API keys and grants, as `Entry` has them."""
    row, key = StatusEntry, SigningKey
    columns = row.number, row.idx, row.kind, row.jti, row.claims, row.created_at, row.valid_until, row.revoked
    query = select(*columns, StatusList.ends_at, key.kid.is_not(None), key.retires_at)
    query = query.join(StatusList, StatusList.number == row.number).outerjoin(key, key.kid == row.kid)
    return query.where(row.owner.in_(owners))


def dependent_on(changed: Sequence[str], at: datetime) -> CompoundSelect[str]:
    """Select the clients, users and keys with these roles and resources, and the owners of what depends on the rest."""
    of_entry = and_(StatusEntry.number == StatusSubject.number, StatusEntry.idx == StatusSubject.idx)
    parts = [
        *_holders(ClientRole.client_id, ClientRole.role_id, changed),
        *_holders(UserRole.user_id, UserRole.role_id, changed),
        select(ApiKey.id).where(ApiKey.resource_id.in_(changed), _has_index(ApiKey.id)),
        select(StatusEntry.owner).join(StatusSubject, of_entry).where(StatusSubject.subject.in_(changed)),
    ]
    if kids := signing_keys_in(changed):
        early = SigningKey.retires_at < at + LONGEST_LIFETIME  # a rotated key lasts until its tokens have expired
        signed = and_(SigningKey.kid == StatusEntry.kid, SigningKey.kid.in_(kids), early)
        parts.append(select(StatusEntry.owner).join(SigningKey, signed).where(StatusEntry.kid.in_(kids)))
    return union(*parts)


def signing_keys_in(changed: Sequence[str]) -> list[str]:
    """Return which of the changed subjects are signing keys."""
    return [subject for subject in changed if KID.fullmatch(subject)]


def _holders(holder: Any, role_id: Any, changed: Sequence[str]) -> list[Select[str]]:
    """Select who has a role that has changed, or a role with a permission of a resource that has."""
    mine = select(Permission.id).where(Permission.resource_id.in_(changed))
    granting = select(RolePermission.role_id).where(RolePermission.permission_id.in_(mine))
    return [select(holder).where(roles, _has_index(holder)) for roles in (role_id.in_(changed), role_id.in_(granting))]


def _has_index(subject: Any) -> ColumnElement[bool]:
    return select(StatusSubject.subject).where(StatusSubject.subject == subject).exists()
