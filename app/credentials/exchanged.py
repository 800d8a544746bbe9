"""Exchanged tokens: short-lived JWTs for the subject of a PAT or an API key (RFC 8693), that die with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import Session

from app.access.scopes import Scopes
from app.clock import soonest
from app.compat.sqlalchemy import CompiledSelect
from app.credentials.kind import Claims, ExchangeableKind, Holder, Issued, Secret, Subject, Terms, write_claims
from app.crypto.access_token import audience_of, instant_of, kind_of
from app.crypto.confirmation import confirmation_in
from app.crypto.denial import deny
from app.crypto.signing import Signed, SigningKeys
from app.database.types import new_id
from app.models import Client, RevokedToken

_STANDING = CompiledSelect(
    select(
        exists().where(RevokedToken.jti == bindparam("jti")).label("denied"),
        exists().where(Client.client_id == bindparam("actor"), Client.enabled).label("actor_stands"),
    )
)


class ExchangedTokens:
    """JWTs of the kinds handed in: each is checked against the secret it was made from."""

    def __init__(self, keys: SigningKeys, issuer: str, kinds: Mapping[str, ExchangeableKind]) -> None:
        self._keys = keys
        self._issuer = issuer
        self._kinds = kinds

    def recognizes(self, token: str) -> bool:
        """Tell by the shape of a JWT and the kind it says it is."""
        return kind_of(token) in self._kinds

    def issue(self, connection: Connection, source: Claims, terms: Terms, actor: str | None) -> Issued:
        """Sign a token for the source's subject; `actor` is the authenticated client, if any (RFC 8693 §4.1).

        RFC 9068 §2.2 demands a `sub` and a `client_id`: without a user or a client the source's id stands there.
        """
        assert source.secret is not None  # noqa: S101 - only an opaque credential is a source
        jti = new_id("exc")
        subject = Subject(source.subject or source.credential_id)
        claims = write_claims(self._issuer, source.kind, jti, subject, actor or source.credential_id, terms)
        claims["origin"] = {"id": source.secret.credential_id, "version": source.secret.version}
        if actor:
            claims["act"] = {"sub": actor}
        return Issued(jti, self._keys.sign(connection, claims))

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        """Check signature and times, that it is not denied, and what its source may do now."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None or "origin" not in signed.claims or not signed.holds(at):
            return None
        claims = signed.claims
        actor = claims["act"]["sub"] if "act" in claims else None
        [standing] = _STANDING.rows(connection, jti=claims["jti"], actor=actor)
        if standing.denied or (actor and not standing.actor_stands):
            return None
        source = self._kinds[claims["credential_type"]].verify_secret(connection, _origin(claims["origin"]), at)
        return _narrowed(source, signed, actor) if source else None

    def holder(self, connection: Connection | Session, token: str, at: datetime) -> Holder | None:
        """Name the token and the client that exchanged it, if one did; None when it is not ours or has expired."""
        signed = self._keys.read(connection, token, self._issuer)
        if signed is None or signed.ends_at <= at:
            return None
        claims = signed.claims
        return Holder(claims["jti"], claims["act"]["sub"] if "act" in claims else None)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Deny the token by its jti; its source lives on."""
        return deny(session, credential_id, at)


def _origin(said: Mapping[str, str]) -> Secret:
    """Read which secret a token was made from. Tokens issued before `version` had its name call it `secret`."""
    return Secret(
        said["id"], said["version"] if "version" in said else said.get("secret", "")
    )  # they live a day at most


def _narrowed(source: Claims, signed: Signed, actor: str | None) -> Claims:
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
        actor=actor,
        stands_until=soonest(source.stands_until, signed.ends_at),
        confirmation=confirmation_in(claims),
    )
