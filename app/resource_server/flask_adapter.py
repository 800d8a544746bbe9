"""Protect the routes of a Flask application: `ResourceServer` is the decorator, `current_credential` the caller."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Literal, ParamSpec, TypeVar, cast

import httpx
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2.rfc6750 import BearerTokenValidator, InvalidTokenError
from flask import g
from flask import request as flask_request
from werkzeug.local import LocalProxy

from .credential import Credential, Verifier
from .errors import InsufficientScope, InvalidRequest, NothingSent
from .introspection_client import TIMEOUT, Introspection
from .local_verification import LocalVerification, PublishedKeys
from .proof import Proofs

Verification = Literal["introspection", "local"]
P = ParamSpec("P")
R = TypeVar("R")


class _Validator(BearerTokenValidator):
    """Validate every kind of token, where Authlib would silently ignore a second Bearer validator."""

    def __init__(self, introspection: Verifier, local: Verifier, proofs: Proofs) -> None:
        super().__init__()
        self._proofs = proofs
        self._introspection = introspection
        self._local = local

    def authenticate_token(self, token_string: str) -> str:
        """Return the token as it is: `validate_token` verifies it, by the method that the route chose."""
        return token_string

    def validate_token(
        self, token: str, scopes: list[str] | None, request: object, verify: list[Verification] | None = None
    ) -> None:
        """Verify by the method that the route chose; an opaque token can only be introspected."""
        local = verify == ["local"] and token.count(".") == 2
        credential = (self._local if local else self._introspection)(token, _client_ip())
        if credential is None:
            raise InvalidTokenError
        self._prove(credential, token)
        if missing := [scope for scope in scopes or [] if scope not in credential.scopes]:
            raise InsufficientScope(missing)
        g.latchkey_credential = credential

    def _prove(self, credential: Credential, token: str) -> None:
        """Refuse a bound token that is sent as Bearer, and an unbound one that is sent as DPoP (RFC 9449 §7.2)."""
        if (credential.key is not None) != (_scheme() == "dpop"):
            raise InvalidTokenError
        if credential.key is not None:
            proof = flask_request.headers.get("DPoP", "")
            self._proofs(proof, credential.key, token, flask_request.method, flask_request.base_url)


class ResourceServer(ResourceProtector):
    """Protect the routes of one API resource."""

    def __init__(
        self,
        issuer: str,
        resource: str,
        client_id: str,
        client_secret: str,
        max_age: float = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`resource` is this API's identifier, which the client must serve; `max_age` is in seconds."""
        super().__init__()
        issuer = issuer.rstrip("/")
        introspection = Introspection(issuer, resource, (client_id, client_secret), max_age, now)
        keys = PublishedKeys(f"{issuer}/.well-known/jwks.json", httpx.Client(timeout=TIMEOUT))
        local = LocalVerification(issuer, resource, now, keys)
        self._validator = _Validator(introspection, local, Proofs(now))
        self.register_token_validator(self._validator)

    def require_scope(
        self, *scopes: str, verify: Verification = "introspection"
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that demands all of these scopes; `verify="local"` checks a JWT without a request."""
        decorator = self(list(scopes), verify=verify)
        return cast("Callable[[Callable[P, R]], Callable[P, R]]", decorator)

    def parse_request_authorization(self, request: Any) -> tuple[_Validator, str]:
        """Accept `X-API-Key` as well as `Authorization: Bearer` or `DPoP`, and refuse both at once (RFC 6750 §2)."""
        key, authorization = request.headers.get("X-API-Key", ""), request.headers.get("Authorization", "")
        if key and authorization:
            raise InvalidRequest
        if not key and not authorization:
            raise NothingSent
        if key:
            return self._validator, key
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() not in ("bearer", "dpop"):
            raise NothingSent
        return self._validator, token.strip()


def _client_ip() -> str | None:
    """Return the caller's address as Flask knows it, None for a Unix socket; behind a proxy ProxyFix sets it."""
    try:
        return str(ip_address((flask_request.remote_addr or "").partition("%")[0]))
    except ValueError:
        return None


def _scheme() -> str:
    return flask_request.headers.get("Authorization", "").partition(" ")[0].lower()


def _current() -> Credential:
    return cast(Credential, g.latchkey_credential)


current_credential = cast(Credential, LocalProxy(_current))
