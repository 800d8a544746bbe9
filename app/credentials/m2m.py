"""Machine-to-machine tokens: client-credentials JWTs of registered clients (RFC 9068). None of them is stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import ColumnElement, Connection, String, and_, bindparam, cast, exists, func, or_, select
from sqlalchemy.orm import Session

from app.access.holders import Holder, HolderPage, is_live, read_page, roles_of_clients
from app.access.listing import Listing, no_instant, no_text
from app.access.rbac import clients_reaching, clients_with, scopes_of_clients
from app.access.scopes import Grants, Scopes
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import (
    ENDING_SOON,
    JWT_TARGET,
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
    claims_of_terms,
    describe_jwt,
    find_jwt,
    lasting_claims,
)
from app.credentials.reasons import Reason
from app.crypto.access_token import audience_of, instant_of, kind_of
from app.crypto.confirmation import confirmation_in
from app.crypto.opaque import Prefix
from app.crypto.revoked_jwts import revoke_jwt
from app.crypto.signing import Signed, Signer, SigningKeys, compact
from app.crypto.status_list import StatusReference, new_jti
from app.database.ordering import contains_text
from app.database.types import Base, new_id
from app.models import (
    Client,
    ClientRole,
    ClientSecret,
    FederatedCredential,
    Permission,
    Resource,
    RevokedToken,
    RolePermission,
)
from app.models.auth_methods import PROVING
from app.models.grant_types import CLIENT_CREDENTIALS

PREFIX = "m2m"  # of a jti
RANDOM_LENGTH = 20  # characters at the end of a jti; the ones before are the time

_VERIFIED = CompiledSelect(
    select(
        Client.id,
        Client.enabled,
        Client.grant_types,
        Client.dropped_scopes,
        exists().where(RevokedToken.jti == bindparam("jti")).label("revoked"),
        Resource.identifier,
        Permission.name,
    )
    .outerjoin(ClientRole, ClientRole.client_id == Client.id)
    .outerjoin(RolePermission, RolePermission.role_id == ClientRole.role_id)
    .outerjoin(Permission, Permission.id == RolePermission.permission_id)
    .outerjoin(Resource, Resource.id == Permission.resource_id)
    .where(Client.client_id == bindparam("client_id"))
)


@dataclass(frozen=True, slots=True)
class Draft:
    """The beginning of a token's JSON, the key that will sign it, and where its status is published."""

    signer: Signer
    opening: str
    status: StatusReference | None = None


class MachineTokens:
    """The kind `client_credentials`."""

    name: ClassVar[str] = "client_credentials"
    target: ClassVar[str] = JWT_TARGET
    labels: ClassVar[Labels] = Labels(
        "JWT", "Machine clients", "clients"
    )  # the list shows the clients, because no token is stored
    exchangeable: ClassVar[bool] = False
    counted_as: ClassVar[str] = "client"
    used_rows: ClassVar[type[Base] | None] = None
    prefix: ClassVar[str] = PREFIX

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    def recognizes(self, token: str) -> bool:
        """Check the shape of a JWT, and read the kind that it names."""
        return kind_of(token) == self.name

    def issue(self, session: Session | Connection, subject: Subject, terms: Terms) -> Issued:
        """Sign a token; `subject.id` is the public client_id (RFC 9068 §2.2: `sub` and `client_id` alike)."""
        assert terms.expires_at is not None  # noqa: S101 - a JWT always ends
        return self.sign(self.draft(session, subject, terms), terms.at, terms.expires_at)

    def verify(self, connection: Connection, token: str, at: datetime) -> Verdict:
        """Check signature and times, then return the signed scopes that the client's roles still give."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None:
            return Reason.BAD_SIGNATURE
        if signed.claims.get("credential_type") != self.name or not signed.holds(at):
            return None
        return self.judge(connection, signed, at)

    def judge(self, connection: Connection, signed: Signed, at: datetime) -> Claims | None:
        """Return the signed scopes that the client's roles still give; None if the client or the token has ended."""
        claims = signed.claims
        rows = _VERIFIED.rows(connection, client_id=claims["client_id"], jti=claims["jti"])
        if not rows or not rows[0].enabled or rows[0].revoked or CLIENT_CREDENTIALS not in rows[0].grant_types:
            return None
        dropped = rows[0].dropped_scopes or {}
        granted = (
            (row.identifier, row.name)
            for row in rows
            if row.name is not None and not _is_dropped(claims["jti"], dropped.get(row.name))
        )
        return _read_claims(signed, rows[0].id, Grants.of(granted))

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Return None: no token is exchanged for a machine token."""
        return None

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the tokens that are ours and have not expired; only their client may revoke them (RFC 7009 §2.1)."""
        read = (self._keys.read(connection, token, self._issuer) for token in tokens)
        return {Identity(s.claims["jti"], s.claims["client_id"]) for s in read if s is not None and s.ends_at > at}

    def describe(self, session: Session, token: str, at: datetime) -> Description:
        """Return what the token says of itself, and whether it is active."""
        signed = self._keys.read(session, token, self._issuer)
        active = self.judge(session.connection(), signed, at) if signed and signed.holds(at) else None
        client_id = signed.claims["client_id"] if signed else None
        found = describe_jwt(session, token, signed, active, client_id, at)
        row_id = session.scalar(select(Client.id).where(Client.client_id == client_id)) if signed else None
        return replace(found, counted=(self.counted_as, row_id)) if row_id else found

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return whether the token with this jti was revoked."""
        return find_jwt(session, credential_id, PREFIX)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Store the jti until long after the token would have expired."""
        return revoke_jwt(session, credential_id, at)

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        """Read the enabled clients whose roles give the permission: each of their tokens may carry it."""
        granted = select(ClientRole.client_id).join(RolePermission, RolePermission.role_id == ClientRole.role_id)
        granted = granted.where(RolePermission.permission_id == permission.id)
        query = select(Client.id, Client.name, Client.client_id)
        query = query.where(Client.id.in_(granted), Client.enabled, _is_machine())
        rows, cursor = read_page(session, query, Client.id, limit, after)
        roles = roles_of_clients(session, permission, {row.id for row in rows})
        return [Holder(row.id, row.name, row.client_id, roles[row.id]) for row in rows], cursor

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        """Count the enabled clients that can get a token, and the secrets of any enabled client that end soon."""
        machines = select(func.count()).select_from(Client).where(Client.enabled, _is_machine(), _can_prove(at))
        ending = select(func.count()).select_from(ClientSecret).join(Client, Client.id == ClientSecret.client_id)
        ends = session.scalar(ending.where(Client.enabled, _ends_soon(at)))
        return LiveCount(session.scalar(machines) or 0, ends or 0, None)

    def listing(self, at: datetime) -> Listing:
        """List the clients of the grant: no token is stored. One that cannot authenticate now counts as disabled."""
        row = Client
        return Listing(
            one="Machine client",
            rows=row,
            id=row.id,
            name=row.name,
            hint=no_text(),
            created_at=row.created_at,
            enabled=and_(row.enabled, _can_prove(at)),
            matches=lambda text: contains_text(text, row.name, row.client_id),
            carries=lambda permission: row.id.in_(clients_with(permission)),
            reaches=lambda resource: row.id.in_(clients_reaching(resource)),
            grants=scopes_of_clients,
            expires_at=no_instant(),
            revoked_at=no_instant(),
            revoked_reason=no_text(),
            last_used_at=no_instant(),
            owner_type="client",
            owner_row_id=row.id,
            owner_id=row.client_id,
            owner_name=row.name,
            revocable=False,
            among=_is_machine(),
            ending=Prefix.CLIENT_SECRET.kind,
        )

    def draft(self, connection: Session | Connection, subject: Subject, terms: Terms) -> Draft:
        """Write the beginning that all tokens of these terms share; it is valid until the authority epoch moves."""
        lasting = self.shared_claims(subject, terms) | claims_of_terms(terms)
        return Draft(self._keys.signer(connection), compact(lasting)[:-1].decode(), terms.status)

    def shared_claims(self, subject: Subject, terms: Terms) -> dict[str, Any]:
        """Return the claims that all tokens of these terms share."""
        return lasting_claims(self._issuer, self.name, subject, subject.id, terms)

    def sign(self, draft: Draft, at: datetime, expires_at: datetime) -> Issued:
        """Add the times and a fresh id, and sign; reads nothing from the database."""
        jti = new_jti(PREFIX, draft.status)
        rest = f',"iat":{int(at.timestamp())},"exp":{int(expires_at.timestamp())},"jti":"{jti}"}}'
        return Issued(jti, draft.signer.sign((draft.opening + rest).encode()))


def _is_machine() -> ColumnElement[bool]:
    """Return the condition that a client is registered for client credentials; other clients only act for users."""
    return cast(Client.grant_types, String).contains(f'"{CLIENT_CREDENTIALS}"', autoescape=True)


def _can_prove(at: datetime) -> ColumnElement[bool]:
    """Return the condition that a client can authenticate: by a key, a live secret or an issuer that it trusts."""
    by_secret = exists().where(ClientSecret.client_id == Client.id, *is_live(ClientSecret, at))
    by_issuer = exists().where(FederatedCredential.client_id == Client.id)
    return or_(Client.token_endpoint_auth_method.in_(PROVING), by_secret, by_issuer)


def token_mark() -> str:
    """Return a text that sorts before the ids of all later tokens, to the millisecond (`iat` is in seconds)."""
    return new_id(PREFIX)[:-RANDOM_LENGTH]


def _is_dropped(jti: str, dropped_at: str | None) -> bool:
    """Return whether a scope was lost after this token was issued: the token does not regain it."""
    return dropped_at is not None and jti <= dropped_at


def _ends_soon(at: datetime) -> ColumnElement[bool]:
    return and_(*is_live(ClientSecret, at), ClientSecret.expires_at <= at + ENDING_SOON)


def _read_claims(signed: Signed, row_id: str, granted: Grants) -> Claims:
    claims, audience = signed.claims, audience_of(signed.claims)
    return Claims(
        kind=MachineTokens.name,
        credential_id=claims["jti"],
        audience=audience,
        grants=granted.on(audience).only(Scopes(frozenset(claims["scope"].split()))),
        issued_at=signed.issued_at,
        expires_at=instant_of(claims, "exp"),
        subject=claims["client_id"],
        client_id=claims["client_id"],
        valid_until=signed.ends_at,
        confirmation=confirmation_in(claims),
        counted=(MachineTokens.counted_as, row_id),
    )
