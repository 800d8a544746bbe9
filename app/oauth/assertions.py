"""Read and verify JWT assertions, from a client or from a trusted issuer (RFC 7523 §3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from authlib.oauth2.rfc7523 import JWTBearerClientAssertion

from app.actions.sign_in.clients import AuthenticateClient
from app.crypto.access_token import MAX_TOKEN_LENGTH
from app.http.request import Request
from app.oauth.errors import ClientRefused

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHMS = ["ES256", "RS256", "PS256", "EdDSA"]
TYPES = frozenset({"jwt", "jose"})  # of the `typ` header, if any: an access token authenticates nobody
LEEWAY = timedelta(seconds=30)
UNREADABLE = (ValueError, TypeError, RecursionError)  # what the libraries raise for odd JSON
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
