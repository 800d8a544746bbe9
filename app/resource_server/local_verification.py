"""Verify a JWT by the authorization server's public keys, without a request for each token (RFC 9068 §4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import jwt

from .credential import Credential, read_credential
from .errors import ServiceUnavailable

CLAIMS = ["exp", "iat", "sub", "aud", "client_id", "jti", "credential_type"]
KEYS_MAX_AGE = 300  # seconds; a key that left the set, as a revoked one does, verifies here for no longer


class PublishedKeys(jwt.PyJWKClient):
    """The server's public keys, cached for five minutes; fetched by httpx, where PyJWT uses urllib."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        super().__init__(url, lifespan=KEYS_MAX_AGE)
        self._http = http

    def fetch_data(self) -> Any:
        """Return the key set; raise PyJWKClientConnectionError if it cannot be fetched."""
        try:
            response = self._http.get(self.uri)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise jwt.PyJWKClientConnectionError("the keys cannot be fetched") from error


class LocalVerification:
    """Check the signature and the claims of a JWT: no request, but a revoked one is valid until its `exp`."""

    def __init__(self, issuer: str, resource: str, now: Callable[[], float], keys: jwt.PyJWKClient) -> None:
        self._issuer = issuer
        self._resource = resource
        self._keys = keys
        self._now = now

    def __call__(self, token: str, client_ip: str | None = None) -> Credential | None:
        """Return what the signed claims say; the networks of an API key are not among them."""
        try:
            if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                return None
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=["ES256"],
                audience=self._resource,
                issuer=self._issuer,
                options={"verify_exp": False, "require": CLAIMS},  # read_credential checks `exp`, by our own clock
            )
        except jwt.PyJWKClientConnectionError:
            raise ServiceUnavailable from None
        except jwt.PyJWTError:
            return None
        return read_credential(claims | {"exchanged": "origin" in claims}, self._resource, self._now())
