"""Exchanged tokens: short-lived JWTs for the subject of a PAT or an API key (RFC 8693), that die with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, exists, select
from sqlalchemy.orm import Session

from app.access.scopes import Scopes
from app.credentials.access_token import audience_of, instant_of, kind_of, write_claims
from app.credentials.confirmation import confirmation_in
from app.credentials.denial import deny
from app.credentials.kind import Claims, ExchangeableKind, Holder, Issued, Secret, Subject, Terms, soonest
from app.credentials.signing import SigningKeys
from app.database import Prepared, new_id
from app.models import Client, RevokedToken

_STANDING = Prepared(
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
        claims["origin"] = {"id": source.secret.credential_id, "secret": source.secret.version}
        if actor:
            claims["act"] = {"sub": actor}
        return Issued(jti, self._keys.sign(connection, claims))

    def verify(self, connection: Connection, token: str, at: datetime) -> Claims | None:
        """Check signature and times, that it is not denied, and what its source may do now."""
        claims = self._keys.read(connection, token, self._issuer)
        if claims is None or "origin" not in claims or claims["exp"] <= at.timestamp():
            return None
        actor = claims["act"]["sub"] if "act" in claims else None
        [standing] = _STANDING.rows(connection, jti=claims["jti"], actor=actor)
        if standing.denied or (actor and not standing.actor_stands):
            return None
        secret = Secret(claims["origin"]["id"], claims["origin"]["secret"])
        source = self._kinds[claims["credential_type"]].verify_secret(connection, secret, at)
        return _narrowed(source, claims, actor) if source else None

    def holder(self, connection: Connection | Session, token: str, at: datetime) -> Holder | None:
        """Name the token and the client that exchanged it, if one did; None when it is not ours or has expired."""
        claims = self._keys.read(connection, token, self._issuer)
        if claims is None or claims["exp"] <= at.timestamp():
            return None
        return Holder(claims["jti"], claims["act"]["sub"] if "act" in claims else None)

    def revoke(self, session: Session, credential_id: str, at: datetime, reason: str) -> bool:
        """Deny the token by its jti; its source lives on."""
        return deny(session, credential_id, at)


def _narrowed(source: Claims, claims: dict[str, Any], actor: str | None) -> Claims:
    audience = tuple(identifier for identifier in audience_of(claims) if identifier in source.audience)
    expires_at = instant_of(claims, "exp")
    return replace(
        source,
        credential_id=claims["jti"],
        audience=audience,
        grants=source.grants.on(audience).only(Scopes(frozenset(claims["scope"].split()))),
        issued_at=instant_of(claims, "iat"),
        expires_at=expires_at,
        exchanged=True,
        actor=actor,
        stands_until=soonest(source.stands_until, expires_at),
        confirmation=confirmation_in(claims),
    )
