"""Workload identity: a trusted issuer's token says who a client is, so that it needs no secret (RFC 7523 §2.2, §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError

from app.actions.sign_in.clients import KnownClient
from app.actions.trust.registration import Jwk
from app.crypto.foreign_jwt import read_signed_claims
from app.http.current import actions
from app.oauth.client_authentication import (
    ASSERTION,
    ASSERTION_TYPE,
    AuthenticatedClient,
    PrivateKeyJwt,
    expiry_if_timely,
    is_identity,
    may_fetch_for,
)

FURTHEST = timedelta(hours=24)  # how far ahead the `exp` of a foreign token may lie


class Workload(AuthenticatedClient):
    """A client that a trusted issuer's token spoke for; how it is registered to prove itself does not matter."""

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Admit the assertion, and nothing else."""
        return method == ASSERTION


class AnyAssertion(PrivateKeyJwt):
    """Take a trusted issuer's token too, where the form names another client than the one that signs."""

    def __call__(self, query_client: Any, request: Any) -> AuthenticatedClient | None:
        """Judge the assertion by its issuer: the client itself, or one that the client trusts."""
        form = request.form
        signed, client_id = form.get("client_assertion", ""), form.get("client_id")
        if form.get("client_assertion_type") != ASSERTION_TYPE or not client_id or _issuer_of(signed) == client_id:
            own: Any = super().__call__
            return own(query_client, request)  # type: ignore[no-any-return]
        known = client_of(signed, client_id)
        return None if known is None else Workload(known)


def client_of(token: str, client_id: str | None) -> KnownClient | None:
    """Give the one client that a trusted issuer's token speaks for; None when there is none, or more than one.

    A token may come again until its `exp`: clusters hand the same one out for an hour, so no `jti` is used up.
    """
    try:
        header, claims = _READER.extract_assertion(token)
    except InvalidClientError:
        return None
    if not is_identity(header):
        return None
    named = set(_spoken_for(token, header, claims.get("iss"), client_id))
    known = actions().authenticate_client.find(named.pop()) if len(named) == 1 else None  # with all that binds it
    return known if known is not None and known.exists else None


def _spoken_for(token: str, header: Mapping[str, Any], issuer: object, client_id: str | None) -> Iterator[str]:
    """Give every client_id that trusts this token: its signature is judged once for each source of keys."""
    may_fetch = _from_one_source(may_fetch_for(client_id or ""))
    trusted, kid, algorithm = actions().trusted_issuers, header.get("kid"), header.get("alg")
    read: dict[str, Mapping[str, Any] | None] = {}
    for trust in trusted.trusts(issuer, client_id):
        if trust.source not in read:
            keys = trusted.keys(trust, kid, algorithm, partial(may_fetch, trust.source))
            read[trust.source] = _verified(token, keys)
        claims = read[trust.source]
        if claims is not None and trust.covers(claims):
            yield trust.client_id


def _from_one_source(may_fetch: Callable[[], bool]) -> Callable[[str], bool]:
    """Let a request fetch from one source alone, an address or discovery: several that hang would hang it in turn."""
    chosen: list[str] = []

    def may(source: str) -> bool:
        if not chosen and may_fetch():
            chosen.append(source)
        return chosen == [source]

    return may


def _verified(token: str, keys: Iterable[Jwk]) -> Mapping[str, Any] | None:
    """Give the claims if one of the keys has signed them, with an algorithm of ours, and their time is now."""
    claims = read_signed_claims(token, keys, other_parameters=True)
    timely = claims is not None and expiry_if_timely(claims, actions().clock(), FURTHEST) is not None
    return claims if timely else None


def _issuer_of(token: str) -> object:
    try:
        return _READER.extract_assertion(token)[1].get("iss")
    except InvalidClientError:
        return None


_READER = PrivateKeyJwt()
