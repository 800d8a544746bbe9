"""Read and verify JWT assertions, a client's own and those of trusted issuers (RFC 7523 §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key
from joserfc.jws import JWSRegistry

from app.actions.sign_in.clients import AuthenticateClient
from app.actions.trust.registration import Jwk
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.http.request import Request
from app.oauth.errors import ClientRefused

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
ALGORITHMS = [*ASSERTION_ALGORITHMS, "Ed25519"]  # RFC 9864 §2.2: the new name of our EdDSA
TYPES = frozenset({"jwt", "jose"})  # of the `typ` header, if any: an access token authenticates nobody
LEEWAY = timedelta(seconds=30)
UNREADABLE = (JoseError, ValueError, TypeError, RecursionError)  # what the libraries raise for odd JSON
_AUTHLIB = JWTBearerClientAssertion()


def read_assertion(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims, unverified; raise ClientRefused, where Authlib fails on deep or odd JSON."""
    if len(assertion) > MAX_TOKEN_LENGTH:
        raise ClientRefused
    try:
        return _AUTHLIB.extract_assertion(assertion)
    except UNREADABLE:
        raise ClientRefused from None


def is_identity(header: Mapping[str, Any], *more_types: str) -> bool:
    """Return whether `typ` is not that of another kind of token (RFC 8725 §3.11), and `kid`, if any, is a string."""
    type_, kid = header.get("typ", "JWT"), header.get("kid")
    fits = isinstance(type_, str) and type_.lower().removeprefix("application/") in TYPES.union(more_types)
    return fits and (kid is None or isinstance(kid, str))


def expiry_if_timely(claims: Mapping[str, Any], now: datetime, furthest: timedelta) -> datetime | None:
    """Return `exp` if it is neither past nor further ahead than `furthest`, and nbf and iat are not in the future."""
    expires_at = _read_instant(claims.get("exp"))
    if expires_at is None or not now - LEEWAY < expires_at <= now + furthest + LEEWAY:
        return None
    for name in ("nbf", "iat"):
        moment = _read_instant(claims.get(name)) if name in claims else now
        if moment is None or moment > now + LEEWAY:
            return None
    return expires_at


def import_keys(keys: Iterable[Jwk]) -> KeySet:
    """Return the keys as the library has them, without those that it cannot read."""
    read = []
    for key in keys:
        with suppress(*UNREADABLE):
            read.append(import_key(dict(key)))
    return KeySet(read)


def verify_signature(token: str, keys: KeySet, registry: JWSRegistry) -> dict[str, Any] | None:
    """Return the claims if one of the keys has signed them, else None."""
    for key in keys:
        with suppress(*UNREADABLE):
            return jwt.decode(token, key, registry=registry).claims
    return None


def may_fetch_for(client_id: str, request: Request, authenticate: AuthenticateClient) -> Callable[[], bool]:
    """Return a function that allows to fetch keys, unless the client has failed too often at this address."""
    return lambda: not authenticate.is_limited(request.peer, client_id)


def _read_instant(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return None
