"""The tokens of an app: an access token for what the user agreed to and the roles still give, and a refresh token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.orm import Session

from app.access.delegation import granted_now, within_ceiling
from app.access.holders import is_live
from app.access.listing import end_of
from app.access.rbac import grants_of_user
from app.access.scopes import Grants
from app.actions.audit.actor import Actor
from app.actions.audit.record import record
from app.actions.delegation.consents import without_openid
from app.actions.sign_in.clients import KnownClient
from app.actions.status.indexes import StatusIndexes
from app.actions.tokens.issue import AccessToken, narrow, refuse_too_long, shortest_lifetime
from app.clock import Clock
from app.credentials.kind import Subject, Terms
from app.credentials.oauth_token import OAuthTokens
from app.crypto.confirmation import UNBOUND, Confirmation
from app.crypto.opaque import Prefix, digest, hint, mint
from app.database.locks import keep_from_deletion
from app.database.statements import add_row, delete_expired
from app.database.types import new_id
from app.errors import InvalidGrant, InvalidScope
from app.models import AppGrant, AppGrantScope, Client, Permission, RefreshToken, Resource, User
from app.models.grant_types import REFRESH_TOKEN
from app.settings.settings import Settings

TARGET = "grant"
REUSED, REPLAYED = "a replaced refresh token was used", "its authorization code was used twice"  # signs of a theft
GRACE = timedelta(seconds=10)  # for which a replaced token works once more: the answer may have been lost
MOST_GRANTS = 100  # live ones of a user and a client; beyond it the oldest ends
KEPT_GRANTS = timedelta(days=90)  # how long an expired grant stays listed


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a token request asks for of what was agreed to, and the key that its tokens are bound to."""

    scope: str | None = None
    resources: Sequence[str] = ()
    confirmation: Confirmation = UNBOUND


@dataclass(frozen=True, slots=True)
class AppTokens:
    """The answer to an app: `refresh_token` is None for a client that gets none."""

    access: AccessToken
    refresh_token: str | None = field(repr=False)
    grant_id: str
    confirmation: Confirmation


class IssueAppTokens:
    """Issue the tokens of a new grant, or further ones of a grant, in the caller's transaction."""

    def __init__(self, kind: OAuthTokens, indexes: StatusIndexes, settings: Settings, clock: Clock) -> None:
        self._kind = kind
        self._indexes = indexes
        self._management = settings.management_identifier
        self._unused = timedelta(seconds=settings.refresh_token_lifetime)
        self._longest = timedelta(seconds=settings.grant_lifetime)
        self._clock = clock

    def begin(
        self, session: Session, actor: Actor, client: KnownClient, user_id: str, agreed: Grants, wanted: Wanted
    ) -> AppTokens:
        """Store a grant of what the user agreed to, and issue its first tokens.

        Raises InvalidGrant (the user is disabled), InvalidScope, InvalidTarget.
        """
        now = self._clock()
        if not session.scalar(select(User.enabled).where(User.id == user_id)):
            raise InvalidGrant("the user is disabled or gone")
        delete_expired(session, AppGrant, end_of(AppGrant.expires_at) <= now - KEPT_GRANTS)
        _end_oldest(session, client.row_id, user_id, now)
        refreshes = REFRESH_TOKEN in client.grant_types
        lifetime = shortest_lifetime(session.connection(), agreed.audience)
        grant = AppGrant(
            id=new_id("grt"),
            user_id=user_id,
            client_id=client.row_id,
            created_at=now,
            expires_at=now + (self._longest if refreshes else min(timedelta(seconds=lifetime), self._longest)),
            jkt=wanted.confirmation.jkt if client.public else None,
        )
        session.add(grant)
        session.flush()
        _store_scopes(session, grant.id, agreed)
        scopes = [*agreed.scopes]
        record(
            session, actor, "grant.create", TARGET, grant.id, now, user=user_id, client=client.client_id, scopes=scopes
        )
        return self.again(session, client, grant, agreed, wanted)

    def again(
        self, session: Session, client: KnownClient, grant: AppGrant, agreed: Grants, wanted: Wanted
    ) -> AppTokens:
        """Issue further tokens of a grant. Raises InvalidScope, InvalidTarget."""
        now = self._clock()
        refresh_token = None
        if REFRESH_TOKEN in client.grant_types:
            refresh_token = mint(Prefix.REFRESH_TOKEN)
            ends = min(now + self._unused, grant.expires_at)
            add_row(
                session,
                RefreshToken,
                digest=digest(refresh_token),
                grant_id=grant.id,
                hint=hint(refresh_token),
                created_at=now,
                expires_at=ends,
            )
        session.flush()  # the index of the access token needs the last of the locks
        access = self._sign(session, client, grant, agreed, wanted, now)
        return AppTokens(access, refresh_token, grant.id, wanted.confirmation)

    def _sign(
        self, session: Session, client: KnownClient, grant: AppGrant, agreed: Grants, wanted: Wanted, now: datetime
    ) -> AccessToken:
        given = within_ceiling(grants_of_user(session, grant.user_id), client.scopes, self._management)
        live = granted_now(agreed, given)
        if agreed.scopes and not live.scopes:
            raise InvalidScope("the user's roles give none of the scopes that were agreed to")
        chosen = narrow(live, tuple(agreed.by_resource), without_openid(wanted.scope), wanted.resources, "the grant")
        lifetime = shortest_lifetime(session.connection(), tuple(chosen.by_resource))
        ends = min(now + timedelta(seconds=lifetime), grant.expires_at)
        terms = Terms(
            at=now,
            expires_at=ends,
            audience=tuple(chosen.by_resource),
            grants=chosen,
            confirmation=wanted.confirmation,
        )
        subject = Subject(id=grant.user_id, client_id=client.client_id, grant_id=grant.id)
        terms = replace(terms, status=self._indexes.assign_within(session, self._kind, subject, terms, ends))
        issued = self._kind.issue(session, subject, terms)
        refuse_too_long(issued.token)
        expires_in = int(ends.timestamp()) - int(now.timestamp())
        return AccessToken(issued.token, expires_in, chosen.scopes, issued.credential_id)


def keep_parties(session: Session, client_row_id: str, user_id: str | None) -> None:
    """Keep client and user, before a code, grant or refresh token of theirs is locked: see `keep_from_deletion`."""
    user = () if user_id is None else (User.id == user_id,)
    keep_from_deletion(session, Client.id == client_row_id, *user)


def load_agreed(session: Session, grant_id: str) -> Grants:
    """Return what the user agreed to in a grant: a resource stays in the audience when its permissions are gone."""
    query = select(Resource.identifier, Permission.name).select_from(AppGrantScope)
    query = query.join(Resource, Resource.id == AppGrantScope.resource_id)
    query = query.outerjoin(Permission, Permission.id == AppGrantScope.permission_id)
    rows = session.execute(query.where(AppGrantScope.grant_id == grant_id)).all()
    agreed = Grants.of((identifier, name) for identifier, name in rows if name is not None)
    empty = Grants.of(()).scopes
    return Grants({identifier: agreed.by_resource.get(identifier, empty) for identifier, _ in rows})


def end_grants(session: Session, at: datetime, reason: str, *which: ColumnElement[bool]) -> Sequence[str]:
    """End the live grants of these criteria in the caller's transaction; return their ids."""
    query = update(AppGrant).where(AppGrant.revoked_at.is_(None), *which)
    ended = query.values(revoked_at=at, revoked_reason=reason).returning(AppGrant.id)
    return session.scalars(ended.execution_options(synchronize_session=False)).all()


def _end_oldest(session: Session, client_row_id: str, user_id: str, now: datetime) -> None:
    live = AppGrant.client_id == client_row_id, AppGrant.user_id == user_id, *is_live(AppGrant, now)
    oldest = select(AppGrant.id).where(*live).order_by(AppGrant.created_at.desc(), AppGrant.id.desc())
    beyond = session.scalars(oldest.offset(MOST_GRANTS - 1)).all()
    if beyond:
        end_grants(session, now, "replaced by newer grants of the app", AppGrant.id.in_(beyond))


def _store_scopes(session: Session, grant_id: str, agreed: Grants) -> None:
    """Store scopes and audience; a permission that was deleted meanwhile is left out."""
    query = select(Resource.identifier, Resource.id, Permission.name, Permission.id)
    query = query.outerjoin(Permission, Permission.resource_id == Resource.id)
    rows = session.execute(query.where(Resource.identifier.in_(agreed.by_resource))).all()
    resources = {identifier: row_id for identifier, row_id, *_ in rows}
    chosen = [(row_id, permission) for i, row_id, name, permission in rows if name in agreed.by_resource[i]]
    bare = [(resources[i], None) for i, scopes in agreed.by_resource.items() if not scopes and i in resources]
    session.add_all(
        AppGrantScope(grant_id=grant_id, resource_id=resource, permission_id=permission)
        for resource, permission in [*chosen, *bare]
    )
    session.flush()
