"""A fourth kind that only the tests have: JWTs for a visitor of one API, listed in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import Session

from app.access.holders import Holder, HolderPage
from app.access.listing import Listing
from app.access.scopes import Grants, Scopes
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import (
    ENDING_SOON,
    Claims,
    CredentialKind,
    Description,
    Identity,
    Issued,
    Labels,
    LiveCount,
    Secret,
    Subject,
    Terms,
    describe_jwt,
    lasting_claims,
    write_claims,
)
from app.crypto.access_token import audience_of, instant_of, kind_of
from app.crypto.revoked_jwts import revocation_of, revoke_jwt
from app.crypto.signing import Signed, SigningKeys
from app.database.types import Base, new_id
from app.models import Permission, RevokedToken
from app.settings.settings import Settings
from tests.core import ORDERS, Core

_REVOKED = CompiledSelect(select(exists().where(RevokedToken.jti == bindparam("jti")).label("revoked")))


@dataclass
class Badges:
    """The kind `badge`."""

    name: ClassVar[str] = "badge"
    target: ClassVar[str] = "badge"
    labels: ClassVar[Labels] = Labels("Visitor's badge", "Visitors' badges", "badges")
    exchangeable: ClassVar[bool] = False
    counted_as: ClassVar[str] = ""
    used_rows: ClassVar[type[Base] | None] = None
    keys: SigningKeys
    issuer: str
    issued: dict[str, tuple[str, Terms]] = field(default_factory=dict)

    def recognizes(self, token: str) -> bool:
        return kind_of(token) == self.name

    def issue(self, session: Session, subject: Subject, terms: Terms) -> Issued:
        jti = new_id("badge")
        self.issued[jti] = subject.id, terms
        shared = lasting_claims(self.issuer, self.name, subject, subject.id, terms)
        claims = write_claims(shared, jti, terms)
        return Issued(jti, self.keys.sign(session, claims))

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        signed = self.keys.read(connection, token, self.issuer)
        if signed is None or not signed.holds(at):
            return None
        [found] = _REVOKED.rows(connection, jti=signed.claims["jti"])
        return None if found.revoked else _read_claims(signed)

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        return None

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        read = [self.keys.read(connection, token, self.issuer) for token in tokens]
        return {Identity(signed.claims["jti"]) for signed in read if signed is not None}

    def describe(self, session: Session, token: str, at: datetime) -> Description | None:
        signed = self.keys.read(session, token, self.issuer)
        active = self.verify(session.connection(), token, at)
        return replace(describe_jwt(session, token, signed, active, None, at), target=self.target)

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        if credential_id not in self.issued:
            return None
        owner, terms = self.issued[credential_id]
        revoked_at = revocation_of(session, credential_id)
        status = "revoked" if revoked_at else "active"
        known: dict[str, Any] = {"id": credential_id, "name": terms.name, "owner_id": owner, "target": self.target}
        return Description(status, credential_type=self.name, revoked_at=revoked_at, **known)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        return revoke_jwt(session, credential_id, at)

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        live = self._live(session, at)
        found = {jti: live[jti] for jti in live if permission.name in live[jti][1].grants.scopes}
        return [Holder(jti, terms.name, jti[:12], owner_name=owner) for jti, (owner, terms) in found.items()], None

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        ends = [terms.expires_at for _, terms in self._live(session, at).values()]
        return LiveCount(len(ends), sum(end is not None and end <= at + ENDING_SOON for end in ends), None)

    def listing(self, at: datetime) -> Listing | None:
        return None

    def _live(self, session: Session, at: datetime) -> dict[str, tuple[str, Terms]]:
        return {
            jti: (owner, terms)
            for jti, (owner, terms) in self.issued.items()
            if revocation_of(session, jti) is None and (terms.expires_at is None or terms.expires_at > at)
        }


def _read_claims(signed: Signed) -> Claims:
    claims, audience = signed.claims, audience_of(signed.claims)
    scopes = Scopes(frozenset(claims["scope"].split()))
    return Claims(
        kind=Badges.name,
        credential_id=claims["jti"],
        audience=audience,
        grants=Grants({audience[0]: scopes}),
        issued_at=signed.issued_at,
        expires_at=instant_of(claims, "exp"),
        subject=claims["sub"],
        valid_until=signed.ends_at,
    )


def further_kinds(settings: Settings, keys: SigningKeys) -> list[CredentialKind]:
    """Join badges to the kinds of the server."""
    return [Badges(keys, settings.issuer)]


def issue_badge(core: Core, visitor: str = "vera") -> Issued:
    """Issue a badge of an hour that lets a visitor read the orders."""
    now, grants = core.clock(), Grants({ORDERS: Scopes.of("orders:read")})
    terms = Terms(now, now + timedelta(hours=1), (ORDERS,), grants, name="front gate")
    [kind] = [kind for kind in core.actions.kinds if kind.name == Badges.name]
    with core.store.transaction() as session:
        return kind.issue(session, Subject(visitor), terms)
