"""Administrators: refuse to remove the last one, and drop the dormant scopes of demoted ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from app.actions.audit.actor import MANAGE, Actor
from app.actions.audit.record import record
from app.credentials.m2m import token_mark
from app.database.locks import advisory_lock
from app.database.statements import batches
from app.errors import Conflict
from app.models import (
    Client,
    ClientRole,
    ClientSecret,
    FederatedCredential,
    IdentityLink,
    Passkey,
    Permission,
    PersonalAccessToken,
    Resource,
    RolePermission,
    User,
    UserRole,
)
from app.models import PersonalAccessTokenScope as Chosen
from app.models.auth_methods import PROVING, SECRET_METHODS

LOCK = 0x1A7C4E5  # taken by each change that may remove a scope of the management API from somebody
NO_USER = (
    "this would leave no enabled user with a password or a linked account and a role that gives manage: "
    "make another such user first, then repeat this"
)
NO_CLIENT = (
    "this would leave no enabled client that can authenticate and whose roles give manage: "
    "make another client an administrator first, then repeat this"
)
_gives_manage = and_(
    Permission.id == RolePermission.permission_id,
    Permission.name == MANAGE,
    Resource.id == Permission.resource_id,
    Resource.built_in,
)
_still_granted = exists().where(
    UserRole.user_id == PersonalAccessToken.user_id,
    UserRole.role_id == RolePermission.role_id,
    RolePermission.permission_id == Chosen.permission_id,
)


@dataclass(frozen=True, slots=True)
class _Administrators:
    """Whether there is an administrator of each type."""

    user: bool
    client: bool


@contextmanager
def keep_administrators(session: Session, actor: Actor, at: datetime) -> Iterator[None]:
    """Refuse the change made inside when it removes the last administrator; drop the scopes that it makes dormant.

    Such changes run one at a time, so that two cannot each rely on the administrator that the other removes. A user or
    client counts when enabled, given manage by a role, and able to authenticate: a user by a password, a passkey or an
    account at an identity provider. If there was no administrator before the change, nothing is refused.

    Raises Conflict.
    """
    advisory_lock(session, LOCK)
    before, held = _find_administrators(session, at), _scopes_of_clients(session)
    yield
    session.flush()
    after = _find_administrators(session, at)
    if before.user and not after.user:
        raise Conflict(NO_USER)
    if before.client and not after.client:
        raise Conflict(NO_CLIENT)
    drop_dormant_scopes(session, actor, at)
    _note_lost_scopes(session, actor, at, held)


def drop_dormant_scopes(session: Session, actor: Actor, at: datetime) -> None:
    """Remove from personal access tokens the scopes of the management API that the user's roles no longer grant.

    Otherwise a token of a demoted administrator would regain them with a later promotion. Scopes of other APIs stay.
    """
    query = (
        select(Chosen.id, Chosen.token_id, Permission.name, PersonalAccessToken.user_id)
        .join(Permission, Permission.id == Chosen.permission_id)
        .join(Resource, and_(Resource.id == Permission.resource_id, Resource.built_in))
        .join(PersonalAccessToken, PersonalAccessToken.id == Chosen.token_id)
        .where(PersonalAccessToken.revoked_at.is_(None), ~_still_granted)
        .order_by(Chosen.token_id, Permission.name)
    )
    dormant = session.execute(query).all()
    for (token_id, user_id), scopes in groupby(dormant, key=lambda row: (row.token_id, row.user_id)):
        details = {"user": user_id, "dropped": " ".join(row.name for row in scopes)}
        record(session, actor, "personal_access_token.narrow", "personal_access_token", token_id, at, **details)
    if dormant:  # as after the deletion of a permission: the audience stays
        session.execute(update(Chosen).where(Chosen.id.in_([row.id for row in dormant])).values(permission_id=None))


def _scopes_of_clients(session: Session) -> dict[str, set[str]]:
    """Return the scopes of the management API that each client's roles grant, by the client's row id."""
    query = (
        select(ClientRole.client_id, Permission.name)
        .join(RolePermission, RolePermission.role_id == ClientRole.role_id)
        .join(Permission, Permission.id == RolePermission.permission_id)
        .join(Resource, and_(Resource.id == Permission.resource_id, Resource.built_in))
    )
    held: dict[str, set[str]] = {}
    for client_row_id, name in session.execute(query):
        held.setdefault(client_row_id, set()).add(name)
    return held


def _note_lost_scopes(session: Session, actor: Actor, at: datetime, before: Mapping[str, set[str]]) -> None:
    """Note which scopes of the management API clients lost: tokens issued before do not regain them.

    A scope that a client regains is noted again, because a token may have been issued while the demotion was written.
    """
    after = _scopes_of_clients(session)
    changed = sorted(row_id for row_id in before.keys() | after.keys() if before.get(row_id) != after.get(row_id))
    for row in (row for some in batches(changed) for row in session.scalars(select(Client).where(Client.id.in_(some)))):
        held, holds, dropped = before.get(row.id, set()), after.get(row.id, set()), row.dropped_scopes or {}
        lost, regained = held - holds, (holds - held) & dropped.keys()
        if lost or regained:
            row.dropped_scopes = dropped | dict.fromkeys(lost | regained, token_mark())
        if lost:
            record(session, actor, "client.narrow", "client", row.client_id, at, dropped=" ".join(sorted(lost)))


def _find_administrators(session: Session, at: datetime) -> _Administrators:
    role_of_user = and_(UserRole.user_id == User.id, RolePermission.role_id == UserRole.role_id)
    role_of_client = and_(ClientRole.client_id == Client.id, RolePermission.role_id == ClientRole.role_id)
    has_passkey = exists().where(Passkey.user_id == User.id)
    linked = exists().where(IdentityLink.user_id == User.id)
    can_sign_in = or_(User.password_digest.is_not(None), has_passkey, linked)
    user = exists().where(User.enabled, can_sign_in, role_of_user, _gives_manage)
    client = exists().where(Client.enabled, role_of_client, _gives_manage, _can_authenticate(at))
    return _Administrators(*session.execute(select(user, client)).one())


def _can_authenticate(at: datetime) -> ColumnElement[bool]:
    live = or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > at)
    secret = exists().where(ClientSecret.client_id == Client.id, ClientSecret.revoked_at.is_(None), live)
    by_secret = and_(Client.token_endpoint_auth_method.in_(SECRET_METHODS), secret)
    trusts = exists().where(FederatedCredential.client_id == Client.id)
    return or_(by_secret, Client.token_endpoint_auth_method.in_(PROVING), trusts)
