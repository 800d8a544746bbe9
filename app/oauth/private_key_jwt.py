"""Authenticate a client by an assertion that its own private key signed (RFC 7523 §2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc7523 import JWTBearerClientAssertion

from app.actions.trust.registration import Jwk, signing_keys
from app.compose import Actions
from app.crypto.foreign_jwt import read_signed_claims
from app.models.auth_methods import PRIVATE_KEY_JWT
from app.oauth.assertions import (
    expiry_if_timely,
    is_identity,
    may_fetch_for,
    read_assertion,
)
from app.oauth.client import OAuthClient
from app.oauth.errors import ClientRefused
from app.oauth.form_reader import FormRequest

OWN_TYPE = "client-authentication+jwt"  # the `typ` of an assertion in rfc7523bis
FURTHEST = timedelta(hours=1)  # how far ahead the `exp` of an assertion may lie
REMEMBERED = timedelta(days=1)  # beyond `exp`: a clock that ran ahead and is set back would accept it again


class PrivateKeyJwt(JWTBearerClientAssertion):
    """Fix the algorithms, bound `exp`, and use each `jti` once by an insert, where Authlib leaves all three open."""

    CLIENT_AUTH_METHOD = PRIVATE_KEY_JWT  # type: ignore[misc]  # Authlib documents this override

    def __init__(self, actions: Actions, request: FormRequest) -> None:
        super().__init__()
        self._actions = actions
        self._request = request

    def get_audiences(self) -> list[str]:
        """Return the issuer, and for older clients the URLs of the endpoint called and of the token endpoint."""
        issuer = self._actions.settings.issuer
        return [issuer, f"{issuer}{self._request.context.path}", f"{issuer}/oauth/token"]

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Refuse an unreadable assertion, where Authlib raises for deep or odd JSON."""
        return read_assertion(assertion)

    def resolve_client_public_key(self, client: OAuthClient) -> tuple[Jwk, ...]:
        """Return the registered or fetched keys that may have signed."""
        header, _ = read_assertion(self._request.form["client_assertion"])
        if not is_identity(header, OWN_TYPE):
            raise ClientRefused
        registration, kid = client.registration, header.get("kid")
        keys = registration.jwks
        if keys is None and registration.jwks_uri is not None:
            authenticate = self._actions.authenticate_client
            may_fetch = may_fetch_for(registration.client_id, self._request.context, authenticate)
            keys = self._actions.fetch_jwks(registration.jwks_uri, kid, may_fetch)
        return tuple(signing_keys(keys, kid, header.get("alg")))

    def process_assertion_claims(self, assertion: str, resolve_key: tuple[Jwk, ...]) -> dict[str, Any]:
        """Verify by PyJWT and with our algorithms only, where Authlib takes joserfc and its own list."""
        claims = read_signed_claims(assertion, resolve_key)
        if claims is None:
            raise ClientRefused
        self.verify_claims(claims)
        return claims

    def verify_claims(self, claims: Mapping[str, Any]) -> None:
        """Check RFC 7523 §3 by our clock: iss = sub, aud, exp at most an hour ahead, nbf, iat, and jti once."""
        subject, jti = claims.get("sub"), claims.get("jti")
        if subject != claims.get("iss") or not isinstance(jti, str) or not jti:
            raise ClientRefused
        if (self._request.form.get("client_id") or subject) != subject or not self._is_for_us(claims.get("aud")):
            raise ClientRefused
        expires_at = expiry_if_timely(claims, self._actions.clock(), FURTHEST)
        if expires_at is None:
            raise ClientRefused
        if not self._actions.authenticate_client.use_assertion(str(subject), jti, expires_at + REMEMBERED):
            raise ClientRefused

    def _is_for_us(self, audience: object) -> bool:
        audiences = audience if isinstance(audience, list) else [audience]
        return any(audience in self.get_audiences() for audience in audiences)
