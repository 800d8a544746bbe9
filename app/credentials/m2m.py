"""Machine-to-machine tokens: client-credentials JWTs of registered clients (RFC 9068). Nothing is stored for one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import Session

from app.access.scopes import Grants, Scopes
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import CLIENT_CREDENTIALS, Claims, Holder, Issued, Subject, Terms, lasting_claims
from app.crypto.access_token import audience_of, instant_of, kind_of
from app.crypto.confirmation import confirmation_in
from app.crypto.denial import deny
from app.crypto.signing import Signed, Signer, SigningKeys, compact
from app.database.types import new_id
from app.models import Client, ClientRole, Permission, Resource, RevokedToken, RolePermission

RANDOM = 20  # characters at the end of an id; the ones before are the time
_FOUND = CompiledSelect(
    select(
        Client.enabled,
        Client.dropped_scopes,
        exists().where(RevokedToken.jti == bindparam("jti")).label("denied"),
        Resource.identifier,
        Permission.name,
    )
    .outerjoin(ClientRole, ClientRole.client_id == Client.id)
    .outerjoin(RolePermission, RolePermission.role_id == ClientRole.role_id)
    .outerjoin(Permission, Permission.id == RolePermission.permission_id)
    .outerjoin(Resource, Resource.id == Permission.resource_id)
    .where(Client.client_id == bindparam("client_id"))
)


def token_mark() -> str:
    """Return what sorts before the ids of all tokens issued from now on, to the millisecond (`iat` is in seconds)."""
    return new_id("m2m")[:-RANDOM]


@dataclass(frozen=True, slots=True)
class Draft:
    """The beginning of a token's JSON, and the key that will sign it."""

    signer: Signer
    opening: str


class MachineTokens:
    """The kind `client_credentials`."""

    name: ClassVar[str] = CLIENT_CREDENTIALS

    def __init__(self, keys: SigningKeys, issuer: str) -> None:
        self._keys = keys
        self._issuer = issuer

    def recognizes(self, token: str) -> bool:
        """Tell by the shape of a JWT and the kind it says it is."""
        return kind_of(token) == CLIENT_CREDENTIALS

    def issue(self, session: Session | Connection, subject: Subject, terms: Terms) -> Issued:
        """Sign a token; `subject.id` is the public client_id (RFC 9068 §2.2: `sub` and `client_id` alike)."""
        assert terms.expires_at is not None  # noqa: S101 - a JWT always ends
        return self.sign(self.draft(session, subject, terms), terms.at, terms.expires_at)

    def draft(self, connection: Session | Connection, subject: Subject, terms: Terms) -> Draft:
        """Write what all tokens of these terms share; it is good for as long as the authority epoch stands."""
        lasting = lasting_claims(self._issuer, self.name, subject, subject.id, terms)
        return Draft(self._keys.signer(connection), compact(lasting)[:-1].decode())

    def sign(self, draft: Draft, at: datetime, expires_at: datetime) -> Issued:
        """Add the times and a fresh id, and sign; asks nobody."""
        jti = new_id("m2m")
        rest = f',"iat":{int(at.timestamp())},"exp":{int(expires_at.timestamp())},"jti":"{jti}"}}'
        return Issued(jti, draft.signer.sign((draft.opening + rest).encode()))

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        """Check signature and times, then give the signed scopes that the client's roles still give."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None or signed.claims.get("credential_type") != self.name or not signed.holds(at):
            return None
        claims = signed.claims
        rows = _FOUND.rows(connection, client_id=claims["client_id"], jti=claims["jti"])
        if not rows or not rows[0].enabled or rows[0].denied:
            return None
        dropped = rows[0].dropped_scopes or {}
        given = (
            (row.identifier, row.name)
            for row in rows
            if row.name is not None and not _is_dropped(claims["jti"], dropped.get(row.name))
        )
        return _claims(signed, Grants.of(given))

    def holder(self, connection: Connection | Session, token: str, at: datetime) -> Holder | None:
        """Name the token and the client it was issued to; None when it is not ours or has expired."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None or signed.ends_at <= at:
            return None
        return Holder(signed.claims["jti"], signed.claims["client_id"])

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Deny the token by its jti, until long after it would have expired by itself."""
        return deny(session, credential_id, at)


def _is_dropped(jti: str, dropped_at: str | None) -> bool:
    """Return whether a token is older than the loss of a scope of the management API, which it does not regain."""
    return dropped_at is not None and jti <= dropped_at


def _claims(signed: Signed, given: Grants) -> Claims:
    claims, audience = signed.claims, audience_of(signed.claims)
    return Claims(
        kind=CLIENT_CREDENTIALS,
        credential_id=claims["jti"],
        audience=audience,
        grants=given.on(audience).only(Scopes(frozenset(claims["scope"].split()))),
        issued_at=signed.issued_at,
        expires_at=instant_of(claims, "exp"),
        subject=claims["client_id"],
        client_id=claims["client_id"],
        stands_until=signed.ends_at,
        confirmation=confirmation_in(claims),
    )
