"""Workload identity: a trusted issuer's token authenticates a client without a secret (RFC 7523 §2.2, §3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from authlib.oauth2.rfc6749 import InvalidClientError

from app.actions.sign_in.clients import KnownClient
from app.actions.trust.issuers import Trust
from app.actions.trust.registration import Jwk
from app.compose import Actions
from app.crypto.foreign_jwt import read_signed_claims
from app.http.request import Request
from app.oauth.assertions import (
    expiry_if_timely,
    is_identity,
    may_fetch_for,
    read_assertion,
)

FURTHEST = timedelta(hours=24)  # how far ahead the `exp` of a foreign token may lie


def find_client(token: str, client_id: str | None, request: Request, actions: Actions) -> KnownClient | None:
    """Return the one client that trusts the issuer and the subject of a token; None if it is not exactly one.

    A token may be presented again until its `exp`: clusters issue the same one for an hour, so no `jti` is used up.
    """
    try:
        header, claims = read_assertion(token)
    except InvalidClientError:
        return None
    if not is_identity(header):
        return None
    may_fetch = _from_one_source(may_fetch_for(client_id or "", request, actions.authenticate_client))
    trusts = actions.trusted_issuers.trusts(claims.get("iss"), client_id)
    client_ids = set(_matching_clients(token, header, trusts, may_fetch, actions))
    client = actions.authenticate_client.find(client_ids.pop()) if len(client_ids) == 1 else None
    return client if client is not None and client.exists else None


def _matching_clients(
    token: str,
    header: Mapping[str, Any],
    trusts: Iterable[Trust],
    may_fetch: Callable[[str], bool],
    actions: Actions,
) -> Iterator[str]:
    """Yield the client_id of each trust that covers the token; its signature is verified once for each key source."""
    verified: dict[str, Mapping[str, Any] | None] = {}
    for trust in trusts:
        if trust.source not in verified:
            allowed = partial(may_fetch, trust.source)
            keys = actions.trusted_issuers.keys(trust, header.get("kid"), header.get("alg"), allowed)
            verified[trust.source] = _verify_token(token, keys, actions.clock())
        claims = verified[trust.source]
        if claims is not None and trust.covers(claims):
            yield trust.client_id


def _from_one_source(may_fetch: Callable[[], bool]) -> Callable[[str], bool]:
    """Allow a request to fetch from one source only, an address or discovery: several that hang would add up."""
    chosen: list[str] = []

    def may_fetch_from(source: str) -> bool:
        if not chosen and may_fetch():
            chosen.append(source)
        return chosen == [source]

    return may_fetch_from


def _verify_token(token: str, keys: Iterable[Jwk], now: datetime) -> Mapping[str, Any] | None:
    """Return the claims if one of the keys has signed them with an algorithm of ours, and they are valid now."""
    claims = read_signed_claims(token, keys, other_parameters=True)
    timely = claims is not None and expiry_if_timely(claims, now, FURTHEST) is not None
    return claims if timely else None
