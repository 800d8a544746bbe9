"""The public keys of the authorization server, fetched and kept (RFC 7517)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import jwt

from .configuration import Configuration
from .document import Content, Document, Unreadable
from .steps import HttpResponse, Refresh, Steps

ALGORITHM = "ES256"
KEYS_MAX_AGE = 300  # seconds; a key that left the set, as a revoked one does, verifies here for no longer
UNKNOWN_KEY_PAUSE = 10  # seconds between two fetches for the sake of keys that are not in the set
UNREADABLE = (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
Keys = dict[str, jwt.PyJWK]


class PublishedKeys:
    """Find a key by its `kid`. An unknown one has the set fetched, once in some seconds however many ask for it."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the server, and for how long the keys serve while it does not answer."""
        oldest = KEYS_MAX_AGE + configuration.max_stale
        url = f"{configuration.issuer}/.well-known/jwks.json"
        self._document: Document[Keys] = Document(url, _read_keys, lambda _: oldest, configuration.now)

    def find(self, kid: str) -> Steps[jwt.PyJWK | None]:
        """Return the key; None if the server has not published it."""
        yield Refresh(self._document)
        if kid not in self._document.value():
            yield Refresh(self._document, UNKNOWN_KEY_PAUSE)
        return self._document.value().get(kid)

    def decode(
        self, token: str, media_type: str, options: Mapping[str, Any], **expected: Any
    ) -> Steps[dict[str, Any] | None]:
        """Return the claims of a JWT of this type that a published key signed; None for any other."""
        try:
            header = _read_header(token)
            if header.get("typ") != media_type or not isinstance(kid := header.get("kid"), str):
                return None
        except UNREADABLE:
            return None
        key = yield from self.find(kid)
        if key is None:
            return None
        try:
            chosen: Any = {**NOT_BY_THE_CLOCK, **options}
            return jwt.decode(token, key, algorithms=[ALGORITHM], options=chosen, **expected)
        except UNREADABLE:
            return None


NOT_BY_THE_CLOCK = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}  # that is judged by our own clock


def _read_header(token: str) -> dict[str, Any]:
    """Return the header of a JWT, where PyJWT would decode the other parts too: twice as much work for each token."""
    segment = token.partition(".")[0]
    header: dict[str, Any] = json.loads(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    return header


def _read_keys(response: HttpResponse) -> Steps[Content[Keys]]:
    """Return the keys of a set that sign by ES256; others are left out."""
    yield from ()
    try:
        members = json.loads(response.body)["keys"]
        if not isinstance(members, list):
            raise Unreadable
        return Content({kid: key for one in members for kid, key in _read_key(one)}, KEYS_MAX_AGE)
    except UNREADABLE:
        raise Unreadable from None


def _read_key(member: Any) -> list[tuple[str, jwt.PyJWK]]:
    """Return a key of a set with its `kid`; nothing for a key that does not sign by ES256."""
    try:
        fits = (member["kty"], member["crv"], member.get("use", "sig")) == ("EC", "P-256", "sig")
        return [(str(member["kid"]), jwt.PyJWK(member, ALGORITHM))] if fits else []
    except UNREADABLE:
        return []
