"""Delegated OAuth tokens: JWTs with which an app acts for a user who agreed (RFC 6749 §4.1, RFC 9068)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, and_, bindparam, exists, func, select
from sqlalchemy.orm import Session

from app.access.delegation import within_ceiling
from app.access.holders import Holder, HolderPage, is_live, read_page, roles_of_users
from app.access.listing import Listing
from app.access.scopes import Grants, Scopes
from app.clock import earliest
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import (
    ENDING_SOON,
    JWT_TARGET,
    LONG_UNUSED,
    Claims,
    Description,
    Identity,
    Issued,
    Labels,
    LiveCount,
    Secret,
    Subject,
    Terms,
    Verdict,
    describe_jwt,
    find_jwt,
    lasting_claims,
    write_claims,
)
from app.credentials.reasons import Reason
from app.crypto.access_token import audience_of, instant_of, kind_of
from app.crypto.confirmation import confirmation_in
from app.crypto.revoked_jwts import revoke_jwt
from app.crypto.signing import Signed, SigningKeys
from app.crypto.status_list import new_jti
from app.database.types import Base
from app.models import (
    AppGrant,
    AppGrantScope,
    Client,
    Permission,
    Resource,
    RevokedToken,
    RolePermission,
    User,
    UserRole,
)

PREFIX = "oat"  # of a jti

_given_now = exists().where(
    UserRole.user_id == AppGrant.user_id,
    UserRole.role_id == RolePermission.role_id,
    RolePermission.permission_id == AppGrantScope.permission_id,
)
_VERIFIED = CompiledSelect(
    select(
        AppGrant.user_id,
        AppGrant.expires_at,
        AppGrant.revoked_at,
        User.username,
        and_(User.enabled, Client.enabled).label("enabled"),
        Client.client_id,
        Client.scopes,
        exists().where(RevokedToken.jti == bindparam("jti")).label("revoked"),
        Resource.identifier,
        Permission.name,
        _given_now.label("given"),
    )
    .join(User, User.id == AppGrant.user_id)
    .join(Client, Client.id == AppGrant.client_id)
    .outerjoin(AppGrantScope, AppGrantScope.grant_id == AppGrant.id)
    .outerjoin(Resource, Resource.id == AppGrantScope.resource_id)
    .outerjoin(Permission, Permission.id == AppGrantScope.permission_id)
    .where(AppGrant.id == bindparam("grant"))
)


class OAuthTokens:
    """The kind `oauth_token`: each token is active only while its grant is, and carries what the roles still give."""

    name: ClassVar[str] = "oauth_token"
    target: ClassVar[str] = JWT_TARGET
    labels: ClassVar[Labels] = Labels("JWT", "App grants", "apps")
    exchangeable: ClassVar[bool] = False
    counted_as: ClassVar[str] = "grant"
    used_rows: ClassVar[type[Base] | None] = AppGrant
    prefix: ClassVar[str] = PREFIX

    def __init__(self, keys: SigningKeys, issuer: str, management_identifier: str) -> None:
        self._keys = keys
        self._issuer = issuer
        self._management = management_identifier

    def recognizes(self, token: str) -> bool:
        """Check the shape of a JWT, and read the kind that it names."""
        return kind_of(token) == self.name

    def issue(self, session: Session | Connection, subject: Subject, terms: Terms) -> Issued:
        """Sign a token for the user `subject.id` and the app `subject.client_id` (RFC 9068 §2.2)."""
        jti = new_jti(PREFIX, terms.status)
        claims = write_claims(self.shared_claims(subject, terms), jti, terms)
        return Issued(jti, self._keys.sign(session, claims))

    def shared_claims(self, subject: Subject, terms: Terms) -> dict[str, Any]:
        """Return the claims that all tokens of these terms share."""
        lasting = lasting_claims(self._issuer, self.name, subject, subject.client_id, terms)
        return lasting | {"grant": subject.grant_id}

    def verify(self, connection: Connection, token: str, at: datetime) -> Verdict:
        """Check signature and times, then return the signed scopes that grant, client and roles still give."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None:
            return Reason.BAD_SIGNATURE
        if signed.claims.get("credential_type") != self.name or not signed.holds(at):
            return None
        return self.judge(connection, signed, at)

    def judge(self, connection: Connection, signed: Signed, at: datetime) -> Claims | None:
        """Return the signed scopes that grant, client and roles still give; None if one of them has ended."""
        claims = signed.claims
        rows = _VERIFIED.rows(connection, grant=claims["grant"], jti=claims["jti"])
        if not rows or rows[0].revoked or not rows[0].enabled or not _is_live(rows[0], at):
            return None
        given = Grants.of((row.identifier, row.name) for row in rows if row.name is not None and row.given)
        return _read_claims(signed, rows[0], within_ceiling(given, rows[0].scopes, self._management))

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Return None: no token is exchanged for a delegated token."""
        return None

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the tokens that are ours and have not expired; only their client may revoke them (RFC 7009 §2.1)."""
        read = (self._keys.read(connection, token, self._issuer) for token in tokens)
        return {Identity(s.claims["jti"], s.claims["client_id"]) for s in read if s is not None and s.ends_at > at}

    def describe(self, session: Session, token: str, at: datetime) -> Description:
        """Return what the token says of itself, its user, and whether it is active."""
        signed = self._keys.read(session, token, self._issuer)
        active = self.judge(session.connection(), signed, at) if signed and signed.holds(at) else None
        found = describe_jwt(session, token, signed, active, None, at)
        if signed is None:
            return found
        grant = session.execute(
            select(User.id, User.username, Client.name, AppGrant.revoked_at, AppGrant.revoked_reason)
            .select_from(AppGrant)
            .join(User, User.id == AppGrant.user_id)
            .join(Client, Client.id == AppGrant.client_id)
            .where(AppGrant.id == signed.claims["grant"])
        ).one_or_none()
        user_id, username, app, ended_at, why = grant or (signed.claims["sub"], None, None, None, None)
        if found.status == "disabled" and ended_at is not None:
            found = replace(found, status="revoked", reason=why, revoked_at=ended_at)
        counted = self.counted_as, signed.claims["grant"]
        found = replace(found, owner_type="user", owner_id=user_id, owner_row_id=user_id, owner_name=username)
        return replace(found, name=app, counted=counted, client_id=signed.claims["client_id"])

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return whether the token with this jti was revoked."""
        return find_jwt(session, credential_id, PREFIX)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Store the jti until long after the token would have expired; its grant stays active."""
        return revoke_jwt(session, credential_id, at)

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        """Read the live grants with this scope whose user has it by a role."""
        carrying = select(AppGrantScope.grant_id).where(AppGrantScope.permission_id == permission.id)
        given = exists().where(
            UserRole.user_id == AppGrant.user_id,
            UserRole.role_id == RolePermission.role_id,
            RolePermission.permission_id == permission.id,
        )
        query: Any = (
            select(AppGrant.id, Client.name, Client.client_id, AppGrant.user_id, User.username)
            .join(Client, Client.id == AppGrant.client_id)
            .join(User, User.id == AppGrant.user_id)
            .where(AppGrant.id.in_(carrying), *is_live(AppGrant, at), Client.enabled, User.enabled, given)
        )
        rows, cursor = read_page(session, query, AppGrant.id, limit, after)
        roles = roles_of_users(session, permission, {row.user_id for row in rows})
        found = [Holder(r.id, r.name, r.client_id, roles[r.user_id], r.user_id, r.username) for r in rows]
        return found, cursor

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        """Count the live grants of enabled users and clients."""
        row, count = AppGrant, func.count()
        ending = count.filter(row.expires_at <= at + ENDING_SOON)
        unused = count.filter(func.coalesce(row.last_used_at, row.created_at) <= at - LONG_UNUSED)
        off = row.user_id.not_in(select(User.id).where(~User.enabled))
        query = select(count, ending, unused).select_from(row).where(*is_live(row, at), off)
        query = query.where(row.client_id.not_in(select(Client.id).where(~Client.enabled)))
        return LiveCount(*session.execute(query).one())

    def listing(self, at: datetime) -> Listing | None:
        """Return None: no token is stored, and its grant is listed."""
        return None


def _is_live(row: Any, at: datetime) -> bool:
    return row.revoked_at is None and row.expires_at > at


def _read_claims(signed: Signed, row: Any, given: Grants) -> Claims:
    claims, audience = signed.claims, audience_of(signed.claims)
    return Claims(
        kind=OAuthTokens.name,
        credential_id=claims["jti"],
        audience=audience,
        grants=given.on(audience).only(Scopes(frozenset(claims["scope"].split()))),
        issued_at=signed.issued_at,
        expires_at=instant_of(claims, "exp"),
        subject=row.user_id,
        username=row.username,
        client_id=row.client_id,
        secret=Secret(claims["grant"], "grant"),
        valid_until=earliest(signed.ends_at, row.expires_at),
        confirmation=confirmation_in(claims),
        counted=(OAuthTokens.counted_as, claims["grant"]),
    )
