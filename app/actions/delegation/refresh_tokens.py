"""Refresh tokens and the grants that they belong to: listed, reported, inspected and revoked, never used at an API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Connection, and_, bindparam, join, or_, select
from sqlalchemy.orm import Session

from app.access.listing import Granted, Listing, no_text
from app.actions.delegation.app_tokens import GRACE, end_grants, load_agreed
from app.clock import Clock
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import Description, Identity, Labels, state_of
from app.credentials.oauth_token import OAuthTokens
from app.credentials.reasons import Reason
from app.crypto.opaque import Prefix, digest, prefix_of
from app.database.ordering import contains_text
from app.database.statements import batches
from app.database.store import Store
from app.models import AppGrant, AppGrantScope, Client, Permission, RefreshToken, Resource, User

_FIND = CompiledSelect(
    select(RefreshToken.grant_id, RefreshToken.hint, RefreshToken.replaced_at, RefreshToken.expires_at).where(
        RefreshToken.digest == bindparam("digest")
    )
)


class RefreshTokens:
    """What a secret of a grant is, and the grants themselves; see `SecretKind`. To revoke one ends its grant."""

    name: ClassVar[str] = OAuthTokens.name
    target: ClassVar[str] = "grant"
    labels: ClassVar[Labels] = Labels("App grant", "App grants")

    def recognizes(self, token: str) -> bool:
        """Check prefix, length, alphabet and check characters."""
        return prefix_of(token) is Prefix.REFRESH_TOKEN

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the grants of these refresh tokens, replaced or not; only their client may revoke them."""
        found: set[Identity] = set()
        for batch in batches([digest(token) for token in tokens]):
            query = select(RefreshToken.grant_id, Client.client_id).join(AppGrant, AppGrant.id == RefreshToken.grant_id)
            query = query.join(Client, Client.id == AppGrant.client_id).where(RefreshToken.digest.in_(batch))
            found |= {Identity(grant_id, client_id) for grant_id, client_id in connection.execute(query)}
        return found

    def describe(self, session: Session, token: str, at: datetime) -> Description | None:
        """Return the grant of this refresh token; a replaced token is `superseded`."""
        row = next(iter(_FIND.rows(session.connection(), digest=digest(token))), None)
        found = None if row is None else _describe_grant(session, AppGrant.id == row.grant_id, at)
        if row is None or found is None:
            return None
        found = replace(found, hint=row.hint)
        if found.status != "active":
            return found
        if row.replaced_at is not None:
            over = row.replaced_at + GRACE
            reason = "replaced by a newer refresh token"
            return replace(found, status="superseded", reason=reason, superseded_at=over)
        return replace(found, status="expired", reason="expired") if row.expires_at <= at else found

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return the grant with this id."""
        return _describe_grant(session, AppGrant.id == credential_id, at)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """End the grant: its access tokens and refresh tokens end with it."""
        return bool(end_grants(session, at, reason, AppGrant.id == credential_id))

    def listing(self, at: datetime) -> Listing:
        """List the grants with their users and apps, and with the scopes that were agreed to."""
        row = AppGrant
        scope = AppGrantScope
        return Listing(
            one=self.labels.one,
            rows=join(join(row, User, User.id == row.user_id), Client, Client.id == row.client_id),
            id=row.id,
            name=Client.name,
            hint=no_text(),
            created_at=row.created_at,
            enabled=and_(User.enabled, Client.enabled),
            matches=lambda text: or_(
                row.client_id.in_(select(Client.id).where(contains_text(text, Client.name, Client.client_id))),
                row.user_id.in_(select(User.id).where(contains_text(text, User.username, User.email))),
            ),
            carries=lambda permission: row.id.in_(select(scope.grant_id).where(scope.permission_id == permission)),
            reaches=lambda resource: row.id.in_(select(scope.grant_id).where(scope.resource_id == resource)),
            grants=_agreed_scopes,
            expires_at=row.expires_at,
            revoked_at=row.revoked_at,
            revoked_reason=row.revoked_reason,
            last_used_at=row.last_used_at,
            owner_type="user",
            owner_row_id=row.user_id,
            owner_id=row.user_id,
            owner_name=User.username,
        )


class IntrospectRefreshToken:
    """What the client of a refresh token may read of it (RFC 7662 §2.2); to everybody else it is not active."""

    def __init__(self, store: Store, kind: RefreshTokens, issuer: str, clock: Clock) -> None:
        self._store = store
        self._kind = kind
        self._issuer = issuer
        self._clock = clock

    def __call__(self, token: str, client_id: str) -> dict[str, Any] | Reason | None:
        """Return the members of the answer, or else why there are none; None where a look-up would say it."""
        if not self._kind.recognizes(token):
            return None
        now = self._clock()
        with self._store.reading() as session:
            found = self._kind.describe(session, token, now)
            if found is None:
                return Reason.UNKNOWN
            if found.client_id != client_id or found.status != "active":
                return None
            row, agreed = session.get(RefreshToken, digest(token)), load_agreed(session, str(found.id))
        if row is None:  # deleted at the same moment
            return None
        return {
            "active": True,
            "credential_type": self._kind.name,
            "token_use": "refresh_token",
            "scope": str(agreed.scopes),
            "aud": sorted(agreed.by_resource),
            "iss": self._issuer,
            "iat": int(row.created_at.timestamp()),
            "exp": int(row.expires_at.timestamp()),
            "sub": found.owner_id,
            "username": found.owner_name,
            "client_id": client_id,
        }


def _describe_grant(session: Session, condition: ColumnElement[bool], at: datetime) -> Description | None:
    query = select(AppGrant, User, Client).join(User, User.id == AppGrant.user_id)
    found = session.execute(query.join(Client, Client.id == AppGrant.client_id).where(condition)).one_or_none()
    if found is None:
        return None
    row, user, client = found
    enabled = user.enabled and client.enabled
    status, reason = state_of(row.revoked_at, row.revoked_reason, row.expires_at, at, enabled=enabled)
    return Description(
        status,
        reason,
        credential_type=RefreshTokens.name,
        id=row.id,
        name=client.name,
        owner_type="user",
        owner_id=user.id,
        owner_name=user.username,
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        target=RefreshTokens.target,
        owner_row_id=user.id,
        last_used_at=row.last_used_at,
        counted=(OAuthTokens.counted_as, row.id),
        client_id=client.client_id,
    )


def _agreed_scopes(session: Session, grant_ids: Sequence[str]) -> Iterable[Granted]:
    query = select(AppGrantScope.grant_id, Resource.identifier, Permission.name)
    query = query.join(Resource, Resource.id == AppGrantScope.resource_id)
    query = query.join(Permission, Permission.id == AppGrantScope.permission_id)
    return ((row[0], row[1], row[2]) for row in session.execute(query.where(AppGrantScope.grant_id.in_(grant_ids))))
