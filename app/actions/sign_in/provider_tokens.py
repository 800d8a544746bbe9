"""Verify what an identity provider signed: ID tokens (OpenID Connect Core §3.1.3.7) and logout tokens.

The signature is verified by our one JOSE library with the keys that `fetch_jwks` fetched, and the claims of an ID token
by Authlib's rules, at our clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.actions.sign_in.providers import Provider
from app.actions.trust.fetch_jwks import FetchJwks, Keys
from app.actions.trust.registration import signing_keys
from app.clock import Clock
from app.crypto.foreign_jwt import read_signed_claims
from app.crypto.jws import UNREADABLE, read_header
from app.errors import ProviderAway, SignInRefused
from app.models.identity_provider import LONGEST_SUBJECT

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")  # neither `none` nor one with a shared secret
LEEWAY = 60  # seconds by which a provider's clock may differ
LONGEST_TOKEN = 50_000  # characters
LONGEST_SID, LONGEST_JTI = 255, 500  # characters
OLDEST_LOGOUT = timedelta(minutes=5)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
ID_TOKEN_TYPES = frozenset({"jwt", "jose"})
LOGOUT_TYPE = "logout+jwt"


@dataclass(frozen=True, slots=True)
class LogoutToken:
    """Whose sessions a provider ends: a session's, a subject's, or a subject's session."""

    jti: str
    subject: str | None
    session: str | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SignedToken:
    """The header and the claims of a token whose signature is the provider's."""

    header: Mapping[str, Any]
    claims: dict[str, Any] = field(repr=False)


def away(provider: Provider) -> ProviderAway:
    """Return the refusal while a provider does not answer."""
    return ProviderAway(f"{provider.name} does not answer: try again later, or sign in another way")


def unfit(provider: Provider) -> SignInRefused:
    """Return the refusal of an answer that is not as it must be."""
    return SignInRefused(f"the answer of {provider.name} cannot be accepted: begin again, or tell an operator")


class ProviderTokens:
    """Verifies the tokens of providers; an unknown key is fetched again, at most twice a minute."""

    def __init__(self, documents: FetchJwks, clock: Clock) -> None:
        self._documents = documents
        self._clock = clock

    def describe(self, provider: Provider) -> Keys:
        """Return the provider's metadata. Raises ProviderAway when it has none of this issuer."""
        found = self._documents.describe(provider.issuer)
        if found is None:
            raise away(provider)
        return found

    def read_id_token(self, provider: Provider, token: object, nonce: str, access_token: str | None) -> dict[str, Any]:
        """Return the claims of an ID token for us. Raises SignInRefused, ProviderAway."""
        signed = self._read_signed(provider, token)
        type_ = str(signed.header.get("typ", "JWT")).lower().removeprefix("application/")
        if type_ not in ID_TOKEN_TYPES or not self._has_valid_claims(provider, signed, nonce, access_token):
            raise unfit(provider)
        return signed.claims

    def read_logout_token(self, provider: Provider, token: str) -> LogoutToken:
        """Return what a logout token ends (Back-Channel Logout §2.6). Raises SignInRefused, ProviderAway."""
        signed = self._read_signed(provider, token)
        type_ = str(signed.header.get("typ", "")).lower().removeprefix("application/")
        read = self._read_logout_claims(provider, signed.claims) if type_ == LOGOUT_TYPE else None
        if read is None:
            raise unfit(provider)
        return read

    def _read_signed(self, provider: Provider, token: object) -> SignedToken:
        header = _read_header(token)
        kid, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(token, str) or algorithm not in ALGORITHMS or not isinstance(kid, str | None):
            raise unfit(provider)
        uri = self._jwks_uri(provider)
        keys = self._documents(uri, kid)
        if keys is None:
            raise away(provider)
        claims = read_signed_claims(token, signing_keys(keys, kid, algorithm), other_parameters=True)
        if claims is None:
            raise unfit(provider)
        return SignedToken(header, claims)

    def _jwks_uri(self, provider: Provider) -> str:
        uri = self._documents.discover(provider.issuer)
        if uri is None:
            raise away(provider)
        return uri

    def _has_valid_claims(self, provider: Provider, signed: SignedToken, nonce: str, access_token: str | None) -> bool:
        from authlib.oidc.core import CodeIDToken  # a server without providers saves its memory

        options = {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
        }
        params = {"nonce": nonce, "client_id": provider.client_id, "access_token": access_token}
        claims = CodeIDToken(signed.claims, dict(signed.header), options, params)
        try:
            claims.validate(int(self._clock().timestamp()), LEEWAY)
        except Exception:  # whatever Authlib raises for claims of any type is a refusal
            return False
        subject = signed.claims["sub"]
        return 1 <= len(subject) <= LONGEST_SUBJECT and bool(subject.isprintable())

    def _read_logout_claims(self, provider: Provider, claims: Mapping[str, Any]) -> LogoutToken | None:
        from authlib.oauth2.claims import JWTClaims  # as above

        options: Any = {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
            "iat": {"essential": True},
            "exp": {"essential": True},
            "jti": {"essential": True},
        }
        now = self._clock()
        try:
            JWTClaims(dict(claims), {}, options).validate(int(now.timestamp()), LEEWAY)
            issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        except Exception:  # as above
            return None
        jti, subject, session = claims["jti"], claims.get("sub"), claims.get("sid")
        if now - issued_at > OLDEST_LOGOUT or not _is_text(jti, LONGEST_JTI) or not _says_logout(claims):
            return None
        if (subject, session) == (None, None) or not all(
            one is None or _is_text(one, longest)
            for one, longest in ((subject, LONGEST_SUBJECT), (session, LONGEST_SID))
        ):
            return None
        return LogoutToken(jti, subject, session, issued_at + 2 * OLDEST_LOGOUT)


def _read_header(token: object) -> Mapping[str, Any]:
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
        return {}
    try:
        return read_header(token)
    except UNREADABLE:
        return {}


def _is_text(value: object, longest: int) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= longest and value.isprintable()


def _says_logout(claims: Mapping[str, Any]) -> bool:
    """Return whether it is a logout and cannot be an ID token (Back-Channel Logout §2.4)."""
    events = claims.get("events")
    return isinstance(events, dict) and isinstance(events.get(LOGOUT_EVENT), dict) and "nonce" not in claims
