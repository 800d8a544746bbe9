"""Ways for an API to verify a JWT: the package's three, PyJWT alone, and Authlib's `ResourceProtector`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import httpx
import jwt
from authlib.oauth2.rfc6749 import ResourceProtector
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet, KeySetSerialization

from app.resource_server import Configuration, Guard, Refusal, Request
from app.resource_server.keys import ALGORITHM
from app.resource_server.local_verification import CLAIMS
from tests.benchmark.dataset import ISSUER
from tests.benchmark.organisation import ORDERS

SCOPE = "orders:read"
MAX_AGE = 5.0  # seconds for which an introspection answer is kept, as long as a status list by default
INTROSPECTION, CACHED = "verify-introspection", "verify-introspection-cached"
LOCAL, STATUS_LIST = "verify-local", "verify-status-list"
PYJWT, AUTHLIB = "verify-pyjwt", "verify-authlib"
OPTIONS: dict[str, dict[str, Any]] = {  # of the package, for each of its ways
    INTROSPECTION: {"verify": "introspection"},
    CACHED: {"verify": "introspection", "max_age": MAX_AGE},
    LOCAL: {"verify": "local", "check_status": False},
    STATUS_LIST: {"verify": "local"},
}
REQUEST = f"{ORDERS}/orders"


@dataclass
class Way:
    """One way to verify: `verify` takes a token, and raises an exception for one that it refuses."""

    verify: Callable[[str], object]
    close: Callable[[], None] = lambda: None
    requests: int = field(default=0, init=False)  # to the authorization server

    def accepts(self, token: str) -> bool:
        """Return whether it accepts a token now."""
        try:
            self.verify(token)
        except Refusal:
            return False
        return True


@dataclass(frozen=True, slots=True)
class Server:
    """The authorization server, and the API's client there: its id and its secret."""

    url: str
    client: tuple[str, str] = field(repr=False)

    def open_way(self, name: str, **options: Any) -> Way:
        """Return a way of the package, in an API that has just started."""
        http = httpx.Client(trust_env=False, verify=False)  # a TLS context costs 50 ms of CPU
        client_id, secret = self.client
        chosen = {"client_id": client_id, "client_secret": secret, "server_url": self.url} | OPTIONS[name] | options
        guard = Guard(Configuration(ISSUER, ORDERS, **chosen), http)

        def verify(token: str) -> object:
            return guard.authenticate(Request("GET", REQUEST, (f"Bearer {token}",)), (SCOPE,))

        def close() -> None:
            guard.close()
            http.close()

        way = Way(verify, close)

        def count(_request: httpx.Request) -> None:
            way.requests += 1

        http.event_hooks = {"request": [count]}
        return way

    def open_all(self, token: str) -> dict[str, Way]:
        """Return every way to verify tokens like this one; the peers get the keys that they do not fetch."""
        kid = jwt.get_unverified_header(token)["kid"]
        keys = httpx.get(f"{self.url}/.well-known/jwks.json", trust_env=False).raise_for_status().json()
        peers = {PYJWT: Way(_by_pyjwt(keys, kid)), AUTHLIB: Way(_by_authlib(keys))}
        return {name: self.open_way(name) for name in OPTIONS} | peers


def _by_pyjwt(published: dict[str, Any], kid: str) -> Callable[[str], object]:
    """Return how PyJWT alone decodes: with the key at hand, and the same required claims."""
    member = next(member for member in published["keys"] if member["kid"] == kid)
    key, options = jwt.PyJWK(member, ALGORITHM), cast(Any, {"require": CLAIMS})

    def verify(token: str) -> object:
        return jwt.decode(token, key, algorithms=[ALGORITHM], options=options, issuer=ISSUER, audience=ORDERS)

    return verify


def _by_authlib(published: dict[str, Any]) -> Callable[[str], object]:
    """Return how an API verifies that follows Authlib's documentation, with the keys parsed once."""
    keys = KeySet.import_key_set(cast(KeySetSerialization, published))

    class Validator(JWTBearerTokenValidator):
        """Knows the keys of the server."""

        def get_jwks(self) -> KeySet:
            return keys

    protector: Any = ResourceProtector()  # it is not typed
    protector.register_token_validator(Validator(ISSUER, ORDERS))

    def verify(token: str) -> object:
        request = SimpleNamespace(headers={"Authorization": f"Bearer {token}"})
        return protector.validate_request([SCOPE], request)

    return verify
