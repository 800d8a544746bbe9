"""The apps that users allowed, and their grants: list them, and end one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, func, select
from sqlalchemy.orm import Session

from app.access.holders import is_live
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.delegation.app_tokens import REPLAYED, REUSED, TARGET, end_grants, keep_parties, load_agreed
from app.actions.directory.escalation import refuse_exceeding
from app.actions.directory.fields import Status
from app.actions.directory.rows import Page
from app.actions.directory.status import has_status, status_of
from app.clock import Clock
from app.database.locks import keep_owners
from app.database.statements import batches
from app.database.store import Store
from app.errors import NotFound
from app.models import (
    AppGrant,
    AppGrantScope,
    AuthorizationCode,
    Client,
    Consent,
    ConsentScope,
    DeviceCode,
    Permission,
    Resource,
    User,
)

BY_OWNER, BY_OPERATOR = "ended by its user", "revoked by an operator"


@dataclass(frozen=True, slots=True)
class AppView:
    """An app that a user allowed; `id` is the row id of the client, `grants` how many of its grants are live.

    `suspected_at` is when a grant last ended because a used code or refresh token came again, as from a thief.
    """

    id: str
    client_id: str
    name: str
    client_uri: str | None
    logo_uri: str | None
    policy_uri: str | None
    registered_by: str
    scopes: tuple[str, ...]
    created_at: datetime
    last_used_at: datetime | None
    suspected_at: datetime | None
    grants: int


@dataclass(frozen=True, slots=True)
class GrantView:
    """One authorization of an app by a user."""

    id: str
    user_id: str
    username: str
    client_id: str
    client_name: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None
    status: Status
    revoked_at: datetime | None
    revoked_reason: str | None


class Apps:
    """For users their apps, for operators the grants of anybody."""

    def __init__(self, store: Store, management_identifier: str, clock: Clock) -> None:
        self._store = store
        self._management = management_identifier
        self._clock = clock

    def page(self, user_id: str, limit: int, after: str | None = None) -> Page[AppView]:
        """List the apps that a user allowed, by the ids of their clients."""
        query = self._select_apps(user_id)
        query = query if after is None else query.where(Client.id > after)
        with self._store.reading() as session:
            rows = session.execute(query.order_by(Client.id).limit(limit + 1)).all()
            shown = _view_apps(session, rows[:limit])
        return shown, shown[-1].id if len(rows) > limit else None

    def get(self, user_id: str, client_row_id: str) -> AppView:
        """Return one app of a user; raises NotFound."""
        with self._store.reading() as session:
            rows = session.execute(self._select_apps(user_id).where(Client.id == client_row_id)).all()
            if not rows:
                raise NotFound("the user has no such app")
            return _view_apps(session, rows)[0]

    def end(self, actor: Actor, user_id: str, client_row_id: str) -> None:
        """Withdraw the consent and end all grants and codes of an app at once.

        Raises NotFound and Forbidden (a grant carries more of the management API than another caller holds).
        """
        now = self._clock()
        mine = Consent.user_id == user_id, Consent.client_id == client_row_id
        with self._store.transaction() as session:
            keep_parties(session, client_row_id, user_id)
            client_id = session.scalar(select(Client.client_id).where(Client.id == client_row_id))
            if session.execute(delete(Consent).where(*mine).returning(Consent.id)).first() is None:
                raise NotFound("the user has no such app")
            reason = BY_OWNER if actor.id == user_id else BY_OPERATOR
            ended = end_grants(session, now, reason, AppGrant.user_id == user_id, AppGrant.client_id == client_row_id)
            if actor.id != user_id:
                self._refuse_exceeding(session, actor, ended)
            for codes in (AuthorizationCode, DeviceCode):
                session.execute(delete(codes).where(codes.user_id == user_id, codes.client_id == client_row_id))
            record(session, actor, "app.end", "client", str(client_id), now, user=user_id)

    def grants(
        self,
        limit: int,
        after: str | None = None,
        *,
        client_row_id: str | None = None,
        user_id: str | None = None,
        status: Status | None = None,
    ) -> Page[GrantView]:
        """List grants, the newest first: of a client, of a user, of a status."""
        now = self._clock()
        wanted: list[ColumnElement[bool]] = []
        wanted += [] if after is None else [AppGrant.id < after]
        wanted += [] if client_row_id is None else [AppGrant.client_id == client_row_id]
        wanted += [] if user_id is None else [AppGrant.user_id == user_id]
        wanted += [] if status is None else [has_status(AppGrant, status, now)]
        query = _select_grants().where(*wanted).order_by(AppGrant.id.desc()).limit(limit + 1)
        with self._store.reading() as session:
            rows = session.execute(query).all()
            shown = _view_grants(session, rows[:limit], now)
        return shown, shown[-1].id if len(rows) > limit else None

    def grant(self, grant_id: str, client_row_id: str | None = None) -> GrantView:
        """Return one grant, of this client where one is named; raises NotFound."""
        with self._store.reading() as session:
            rows = session.execute(_select_grants().where(*_named(grant_id, client_row_id))).all()
            if not rows:
                raise NotFound("there is no such grant")
            return _view_grants(session, rows, self._clock())[0]

    def end_grant(self, actor: Actor, grant_id: str, client_row_id: str | None = None) -> None:
        """End one grant with its tokens; ending it again changes nothing. Raises NotFound and Forbidden."""
        with self._store.transaction() as session:
            if session.scalar(select(AppGrant.id).where(*_named(grant_id, client_row_id))) is None:
                raise NotFound("there is no such grant")
            self.revoke_all(session, actor, [grant_id], self._clock())

    def revoke_all(self, session: Session, actor: Actor, grant_ids: Sequence[str], at: datetime) -> int:
        """End grants of any users within the caller's transaction; return how many were not ended before.

        Raises Forbidden (one carries more of the management API than the caller holds).
        """
        ended: list[str] = []
        for some in batches(sorted(grant_ids)):
            named = AppGrant.id.in_(some)
            keep_owners(session, Client, select(AppGrant.client_id).where(named))
            keep_owners(session, User, select(AppGrant.user_id).where(named))
            session.execute(select(AppGrant.id).where(named).order_by(AppGrant.id).with_for_update())
            ended += end_grants(session, at, BY_OPERATOR, named)
        self._refuse_exceeding(session, actor, ended)
        for grant_id in sorted(ended):
            record(session, actor, f"{TARGET}.revoke", TARGET, grant_id, at)
        return len(ended)

    def _refuse_exceeding(self, session: Session, actor: Actor, grant_ids: Sequence[str]) -> None:
        for grant_id in grant_ids if not actor.manages else ():
            refuse_exceeding(actor, load_agreed(session, grant_id), self._management)

    def _select_apps(self, user_id: str) -> Select[*tuple[Any, ...]]:
        mine = AppGrant.user_id == user_id, AppGrant.client_id == Client.id
        live = select(func.count()).where(*mine, *is_live(AppGrant, self._clock())).scalar_subquery()
        used = select(func.max(AppGrant.last_used_at)).where(*mine).scalar_subquery()
        stolen = *mine, AppGrant.revoked_reason.in_((REUSED, REPLAYED))
        suspected = select(func.max(AppGrant.revoked_at)).where(*stolen).scalar_subquery()
        query = select(Client, Consent, live.label("live"), used.label("used"), suspected.label("suspected"))
        return query.join(Consent, Consent.client_id == Client.id).where(Consent.user_id == user_id)


def _named(grant_id: str, client_row_id: str | None) -> list[ColumnElement[bool]]:
    of_client = [] if client_row_id is None else [AppGrant.client_id == client_row_id]
    return [AppGrant.id == grant_id, *of_client]


def _view_apps(session: Session, rows: Sequence[Any]) -> list[AppView]:
    query = select(ConsentScope.consent_id, Permission.name)
    query = query.join(Permission, Permission.id == ConsentScope.permission_id).order_by(Permission.name)
    agreed: dict[str, list[str]] = {consent.id: [] for _, consent, *_ in rows}
    for batch in batches([*agreed]):
        for consent_id, name in session.execute(query.where(ConsentScope.consent_id.in_(batch))):
            agreed[consent_id].append(name)
    return [
        AppView(
            id=client.id,
            client_id=client.client_id,
            name=client.name,
            client_uri=client.client_uri,
            logo_uri=client.logo_uri,
            policy_uri=client.policy_uri,
            registered_by=client.registered_by,
            scopes=tuple(agreed[consent.id]),
            created_at=consent.created_at,
            last_used_at=used,
            suspected_at=suspected,
            grants=live,
        )
        for client, consent, live, used, suspected in rows
    ]


def _select_grants() -> Select[*tuple[Any, ...]]:
    query = select(AppGrant, User.username, Client.client_id, Client.name)
    return query.join(User, User.id == AppGrant.user_id).join(Client, Client.id == AppGrant.client_id)


def _view_grants(session: Session, rows: Sequence[Any], now: datetime) -> list[GrantView]:
    query = select(AppGrantScope.grant_id, Resource.identifier, Permission.name)
    query = query.join(Resource, Resource.id == AppGrantScope.resource_id)
    query = query.outerjoin(Permission, Permission.id == AppGrantScope.permission_id)
    agreed: dict[str, list[tuple[str, str | None]]] = {row[0].id: [] for row in rows}
    for batch in batches([*agreed]):
        for grant_id, identifier, name in session.execute(query.where(AppGrantScope.grant_id.in_(batch))):
            agreed[grant_id].append((identifier, name))
    return [_view_grant(row, agreed[row[0].id], now) for row in rows]


def _view_grant(row: Any, agreed: Sequence[tuple[str, str | None]], now: datetime) -> GrantView:
    grant, username, client_id, client_name = row
    return GrantView(
        id=grant.id,
        user_id=grant.user_id,
        username=username,
        client_id=client_id,
        client_name=client_name,
        scopes=tuple(sorted(name for _, name in agreed if name is not None)),
        resources=tuple(sorted({identifier for identifier, _ in agreed})),
        created_at=grant.created_at,
        expires_at=grant.expires_at,
        last_used_at=grant.last_used_at,
        status=status_of(grant, now),
        revoked_at=grant.revoked_at,
        revoked_reason=grant.revoked_reason,
    )
