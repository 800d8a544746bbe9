"""Client authentication: client_secret_basic, client_secret_post and private_key_jwt, at every endpoint alike."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, InvalidRequestError, TokenEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from flask import request as flask_request

from app.actions.sign_in.clients import CERTIFICATE_METHODS, SECRET_METHODS, KnownClient
from app.actions.trust.registration import Jwk, signing_keys, usable_keys
from app.crypto.foreign_jwt import read_signed_claims
from app.http.client_certificate import handed_certificate, header_name
from app.http.current import actions
from app.http.peer import caller_address
from app.http.possession import REALM

BASIC, POST, ASSERTION = "client_secret_basic", "client_secret_post", "private_key_jwt"
METHODS = [BASIC, POST, ASSERTION]
CERTIFICATE = "tls_client_auth"  # or self_signed_tls_client_auth: which of the two is the client's to have registered
ASSERTION_ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
TYPES = frozenset({"jwt", "jose"})  # what `typ` may say, if anything: an access token proves no identity
OWN_TYPE = "client-authentication+jwt"  # what clients are going to say of an assertion (rfc7523bis)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
FURTHEST = timedelta(hours=1)  # how far ahead the `exp` of an assertion may lie
LEEWAY = timedelta(seconds=30)
REMEMBERED = timedelta(days=1)  # past its end: a clock that ran ahead and is set back would let it in again
LONGEST_ASSERTION = 16_384  # characters
UNREADABLE = (ValueError, TypeError, RecursionError)  # what strange JSON makes of the libraries


class AuthenticatedClient(ClientMixin):
    """A client of ours as Authlib asks about it."""

    def __init__(self, known: KnownClient) -> None:
        self.known = known

    def get_client_id(self) -> str:
        """Give the public identifier."""
        return self.known.client_id

    def check_client_secret(self, client_secret: str) -> bool:
        """Judge a secret."""
        return actions().authenticate_client.secret_matches(self.known, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Admit a secret either way, but never for a client registered with keys."""
        if method == CERTIFICATE:
            return self.known.method in certificate_methods()
        return method in SECRET_METHODS if self.known.method in SECRET_METHODS else method == self.known.method

    def check_grant_type(self, grant_type: str) -> bool:
        """Every registered client may use both grants; its roles say what comes out."""
        return True


class ClientRefused(InvalidClientError):
    """One answer for every failure, where Authlib tells an unknown client from a wrong secret (RFC 6749 §5.2)."""

    def __init__(self) -> None:
        super().__init__("client authentication failed", status_code=401)

    def get_headers(self) -> list[tuple[str, str]]:
        """Challenge with Basic only when Basic was tried."""
        given: list[tuple[str, str]] = super().get_headers()  # type: ignore[no-untyped-call]
        headers = [h for h in given if h[0] != "WWW-Authenticate"]
        unreadable = flask_request.headers.get("Authorization") == ""  # what is not ASCII reaches us as nothing
        if unreadable or basic_header() is not None:
            headers.append(("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"'))
        return headers


def query_client(client_id: str) -> AuthenticatedClient:
    """Look a client up; one that is unknown is the null client, which fails like any other."""
    return AuthenticatedClient(actions().authenticate_client.find(client_id))


def authenticated(endpoint: TokenEndpoint, request: Any) -> AuthenticatedClient:
    """Authenticate the client of an introspection or revocation request; raises ClientRefused."""
    client: AuthenticatedClient = endpoint.authenticate_endpoint_client(request)  # type: ignore[no-untyped-call]
    return client


def certificate_methods() -> frozenset[str]:
    """Name the methods by certificate that count here: what one names counts only where its chain is checked."""
    settings = actions().settings
    if not header_name(settings):
        return frozenset()
    return CERTIFICATE_METHODS - (frozenset() if settings.client_certificate_chain == "checked" else {CERTIFICATE})


def presented_methods(form: Mapping[str, str]) -> list[str]:
    """Name the ways in which this request authenticates; raises InvalidRequestError for two (RFC 6749 §2.3)."""
    tried = {
        BASIC: basic_header() is not None,
        POST: "client_secret" in form,
        ASSERTION: "client_assertion" in form or "client_assertion_type" in form,
    }
    methods = [method for method, present in tried.items() if present]
    if len(methods) > 1:
        raise InvalidRequestError("more than one client authentication method")
    if not methods and handed_certificate() is not None and _names_client_of_certificates(form):
        return [CERTIFICATE]  # RFC 8705 §2: the connection proves it, the form says who it is
    if methods == [BASIC] and form.get("client_id", "") not in ("", basic_pair()[0]):
        raise InvalidRequestError("client_id differs from the one that authenticates")
    return methods


def _names_client_of_certificates(form: Mapping[str, str]) -> bool:
    """Any other client's bare client_id proves nothing, whatever certificate comes with it: that binds, no more."""
    return "client_id" in form and query_client(form["client_id"]).known.method in CERTIFICATE_METHODS


def basic_header() -> str | None:
    """Give what follows `Basic` in the Authorization header; None when Basic was not tried."""
    scheme, _, value = flask_request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "basic" else None


def basic_pair() -> tuple[str, str]:
    """Decode client_id and secret (RFC 6749 §2.3.1: each form-encoded); two empty strings when it cannot be."""
    return pair_in(basic_header() or "")


def pair_in(value: str) -> tuple[str, str]:
    """Decode what follows `Basic`; needs no request."""
    try:
        text = base64.b64decode(value, validate=True).decode()
        client_id, _, secret = text.partition(":")
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, ValueError):
        return "", ""


def claimed_id(form: Mapping[str, str]) -> str:
    """Give the client_id that a request names, proved or not; empty when it names none."""
    return basic_pair()[0] or _asserted_id(form.get("client_assertion", "")) or form.get("client_id", "")


def _asserted_id(assertion: str) -> str:
    """Read the `sub` of an assertion that proves nothing yet; a foreign issuer's is no client of ours."""
    try:
        claims = PrivateKeyJwt().extract_assertion(assertion)[1] if assertion else {}
    except InvalidClientError:
        return ""
    named = claims.get("sub")
    return named if isinstance(named, str) and named == claims.get("iss") else ""


def by_basic(query: Any, request: Any) -> AuthenticatedClient | None:
    """Decode the header ourselves, where Authlib breaks on what is not UTF-8."""
    return _by_secret(*basic_pair())


def by_post(query: Any, request: Any) -> AuthenticatedClient | None:
    """Read the form, with the same answer for an unknown client as for a wrong secret."""
    return _by_secret(request.form.get("client_id", ""), request.form.get("client_secret", ""))


def by_certificate(query: Any, request: Any) -> AuthenticatedClient | None:
    """Compare the connection's certificate with what the client registered (RFC 8705 §2)."""
    client, certificate = query_client(request.form.get("client_id", "")), handed_certificate()
    keys = client.known.jwks
    if keys is None and client.known.jwks_uri is not None and client.known.method in CERTIFICATE_METHODS:
        keys = actions().fetch_jwks(client.known.jwks_uri, None)
    judge = actions().authenticate_client.certificate_matches
    usable = {"keys": list(usable_keys(keys))}
    return client if certificate is not None and judge(client.known, certificate, usable) else None


def _by_secret(client_id: str, secret: str) -> AuthenticatedClient | None:
    client = query_client(client_id)
    return client if client.check_client_secret(secret) else None


class PrivateKeyJwt(JWTBearerClientAssertion):
    """Fix the algorithms, bound `exp`, and use each `jti` once by an insert, where Authlib leaves all three open."""

    CLIENT_AUTH_METHOD = ASSERTION  # type: ignore[misc]  # what Authlib itself documents to be overridden

    def get_audiences(self) -> list[str]:
        """Return the issuer, and for older clients the URLs of the endpoint called and of the token endpoint."""
        issuer = actions().settings.issuer
        return [issuer, f"{issuer}{flask_request.path}", f"{issuer}/oauth/token"]

    def extract_assertion(self, assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Refuse what cannot be read, where Authlib raises on JSON that is nested too deep or of strange types."""
        if len(assertion) > LONGEST_ASSERTION:
            raise ClientRefused
        try:
            return super().extract_assertion(assertion)
        except UNREADABLE:
            raise ClientRefused from None

    def resolve_client_public_key(self, client: AuthenticatedClient) -> tuple[Jwk, ...]:
        """Return the keys that may have signed, of those registered or fetched from the jwks_uri."""
        header, _ = self.extract_assertion(flask_request.form["client_assertion"])
        if not is_identity(header, OWN_TYPE):
            raise ClientRefused
        known, kid = client.known, header.get("kid")
        keys = known.jwks
        if keys is None and known.jwks_uri is not None:
            keys = actions().fetch_jwks(known.jwks_uri, kid, may_fetch_for(known.client_id))
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
        if (flask_request.form.get("client_id") or subject) != subject or not self._for_us(claims.get("aud")):
            raise ClientRefused
        expires_at = expiry_if_timely(claims, actions().clock(), FURTHEST)
        if expires_at is None:
            raise ClientRefused
        if not actions().authenticate_client.use_assertion(str(subject), jti, expires_at + REMEMBERED):
            raise ClientRefused

    def _for_us(self, audience: object) -> bool:
        named = audience if isinstance(audience, list) else [audience]
        return any(one in self.get_audiences() for one in named)


def expiry_if_timely(claims: Mapping[str, Any], now: datetime, furthest: timedelta) -> datetime | None:
    """Give the `exp` if it is neither past nor further ahead than `furthest`, and nbf and iat are not ahead."""
    expires_at = _instant(claims.get("exp"))
    if expires_at is None or not now - LEEWAY < expires_at <= now + furthest + LEEWAY:
        return None
    for name in ("nbf", "iat"):
        moment = _instant(claims.get(name)) if name in claims else now
        if moment is None or moment > now + LEEWAY:
            return None
    return expires_at


def is_identity(header: Mapping[str, Any], *more: str) -> bool:
    """Tell whether `typ` names no other kind of token (RFC 8725 §3.11), and `kid`, if any, is a text."""
    type_, kid = header.get("typ", "JWT"), header.get("kid")
    named = isinstance(type_, str) and type_.lower().removeprefix("application/") in TYPES.union(more)
    return named and (kid is None or isinstance(kid, str))


def may_fetch_for(client_id: str) -> Callable[[], bool]:
    """Fetch nothing for who has failed too often."""
    return lambda: not actions().authenticate_client.is_limited(caller_address(), client_id)


def _instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
