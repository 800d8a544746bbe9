"""Exchanged tokens: short-lived JWTs for the subject of a PAT or an API key (RFC 8693), active only while it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import Session

from app.access.holders import HolderPage
from app.access.listing import Listing
from app.access.scopes import Scopes
from app.clock import earliest
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import (
    JWT_TARGET,
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
from app.models import Client, Permission, RevokedToken

PREFIX = "exc"  # of a jti

_VERIFIED = CompiledSelect(
    select(
        exists().where(RevokedToken.jti == bindparam("jti")).label("revoked"),
        exists().where(Client.client_id == bindparam("actor"), Client.enabled).label("actor_enabled"),
    )
)


class ExchangedTokens:
    """JWTs of the source kinds: each is verified together with the secret that it was made from."""

    name: ClassVar[str] = "exchanged_token"  # on the wire each has the name of its source's kind
    target: ClassVar[str] = JWT_TARGET
    labels: ClassVar[Labels] = Labels("JWT", "Exchanged tokens")
    exchangeable: ClassVar[bool] = False
    counted_as: ClassVar[str] = ""
    used_rows: ClassVar[type[Base] | None] = None
    prefix: ClassVar[str] = PREFIX

    def __init__(self, keys: SigningKeys, issuer: str, sources: Mapping[str, CredentialKind]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._sources = sources

    def recognizes(self, token: str) -> bool:
        """Check the shape of a JWT, and read the kind that it names."""
        return kind_of(token) in self._sources

    def issue(self, session: Session | Connection, subject: Subject, terms: Terms) -> Issued:
        """Sign a token for the source's subject; `subject.actor` is the authenticated client, if any (RFC 8693 §4.1).

        RFC 9068 §2.2 demands a `sub` and a `client_id`: without a user or a client the source's id takes their place.
        """
        jti = new_jti(PREFIX, terms.status)
        return Issued(jti, self._keys.sign(session, write_claims(self.shared_claims(subject, terms), jti, terms)))

    def shared_claims(self, subject: Subject, terms: Terms) -> dict[str, Any]:
        """Return the claims that all tokens of these terms share, with the secret that they are made from."""
        source, actor = subject.source, subject.actor
        assert source is not None and source.secret is not None  # noqa: S101 - only an opaque credential is a source
        owner = Subject(source.subject or source.credential_id)
        claims = lasting_claims(self._issuer, source.kind, owner, actor or source.credential_id, terms)
        claims["origin"] = {"id": source.secret.credential_id, "version": source.secret.version}
        return claims | ({"act": {"sub": actor}} if actor else {})

    def verify(self, connection: Connection, token: str, at: datetime) -> Verdict:
        """Check signature and times, that it is not revoked, and what its source may do now."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None:
            return Reason.BAD_SIGNATURE
        if "origin" not in signed.claims or not signed.holds(at):
            return None
        return self.judge(connection, signed, at)

    def judge(self, connection: Connection, signed: Signed, at: datetime) -> Claims | None:
        """Return the signed scopes that its source still has; None if source, actor or the token has ended."""
        claims, actor = signed.claims, _actor_of(signed)
        [found] = _VERIFIED.rows(connection, jti=claims["jti"], actor=actor)
        if found.revoked or (actor and not found.actor_enabled):
            return None
        origin = _origin_of(claims["origin"])
        source = self._sources[claims["credential_type"]].verify_secret(connection, origin, at)
        return _narrow(source, signed, actor) if source else None

    def verify_secret(self, connection: Connection, secret: Secret, at: datetime) -> Claims | None:
        """Return None: an exchanged token is not exchanged again."""
        return None

    def identify(self, connection: Connection | Session, tokens: Sequence[str], at: datetime) -> set[Identity]:
        """Return the tokens that are ours and have not expired; only the client that exchanged one may revoke it."""
        read = (self._keys.read(connection, token, self._issuer) for token in tokens)
        return {Identity(s.claims["jti"], _actor_of(s)) for s in read if s is not None and s.ends_at > at}

    def describe(self, session: Session, token: str, at: datetime) -> Description:
        """Return what the token says of itself, and whether it is active."""
        signed = self._keys.read(session, token, self._issuer)
        active = self.judge(session.connection(), signed, at) if signed and signed.holds(at) else None
        found = describe_jwt(session, token, signed, active, _actor_of(signed) if signed else None, at)
        if signed is None:
            return found
        source, origin = self._sources[signed.claims["credential_type"]], _origin_of(signed.claims["origin"])
        return replace(found, exchanged=True, counted=(source.counted_as, origin.credential_id))

    def find(self, session: Session, credential_id: str, at: datetime) -> Description | None:
        """Return whether the token with this jti was revoked."""
        return find_jwt(session, credential_id, PREFIX)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Store the jti until long after the token would have expired; its source stays active."""
        return revoke_jwt(session, credential_id, at)

    def holders(
        self, session: Session, permission: Permission, at: datetime, limit: int, after: str | None
    ) -> HolderPage:
        """Return nothing: a token carries what its source carries."""
        return [], None

    def live_count(self, session: Session, at: datetime) -> LiveCount | None:
        """Return None: the sources are counted."""
        return None

    def listing(self, at: datetime) -> Listing | None:
        """Return None: a token is not stored, and its source is listed."""
        return None


def _actor_of(signed: Signed) -> str | None:
    return signed.claims["act"]["sub"] if "act" in signed.claims else None


def _origin_of(claim: Mapping[str, str]) -> Secret:
    """Read which secret a token was made from; until `version` was introduced it was called `secret`."""
    return Secret(claim["id"], claim["version"] if "version" in claim else claim.get("secret", ""))


def _narrow(source: Claims, signed: Signed, actor: str | None) -> Claims:
    claims = signed.claims
    audience = tuple(identifier for identifier in audience_of(claims) if identifier in source.audience)
    return replace(
        source,
        credential_id=claims["jti"],
        audience=audience,
        grants=source.grants.on(audience).only(Scopes(frozenset(claims["scope"].split()))),
        issued_at=signed.issued_at,
        expires_at=instant_of(claims, "exp"),
        exchanged=True,
        personal=False,
        actor=actor,
        valid_until=earliest(source.valid_until, signed.ends_at),
        confirmation=confirmation_in(claims),
    )
