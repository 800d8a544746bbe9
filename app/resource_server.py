"""Accept all three kinds of credential in a Flask API of your own: one decorator, one typed `current_credential`.

    latchkey = ResourceServer(issuer="https://auth.example", resource="https://orders.example",
                              client_id="…", client_secret="…")

    @app.get("/orders")
    @latchkey.require_scope("orders:read")
    def orders(): ...

Copy this module or import it: it knows nothing of the rest of Latchkey, and needs Authlib, PyJWT and httpx.
A token that is bound to a key comes as `Authorization: DPoP`, with a proof (RFC 9449); one that is bound to a
certificate is refused. Behind a proxy let Flask know the URL and the caller's address (ProxyFix): the proof is for the
one, a key that is bound to networks is judged by the other, at introspection alone (a JWT carries no networks).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast
from urllib.parse import unquote, urlsplit

import httpx
import jwt
from authlib.integrations.flask_oauth2 import ResourceProtector
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6750 import BearerTokenValidator, InsufficientScopeError, InvalidTokenError
from flask import g
from flask import request as flask_request
from werkzeug.local import LocalProxy

Verification = Literal["introspection", "local"]
P = ParamSpec("P")
R = TypeVar("R")
CACHED_ANSWERS = 10_000
CLAIMS = ["exp", "iat", "sub", "aud", "client_id", "jti", "credential_type"]
TIMEOUT = 5.0  # seconds that an introspection may take
KEYS_KEPT = 300  # seconds; a key that left the set, as a revoked one does, verifies here for no longer
PROOF_FRESH = 60  # seconds that the `iat` of a DPoP proof may lie off, either way
LONGEST_PROOF = 8_192  # characters
UNREADABLE = (jwt.PyJWTError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
PROOF_KEYS = {"ES256": ("crv", "kty", "x", "y"), "RS256": ("e", "kty", "n"), "PS256": ("e", "kty", "n"),
              "EdDSA": ("crv", "kty", "x")}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Credential:
    """Who calls, with what, and how far it goes. An API key names nobody: no subject, username or client."""

    kind: str  # personal_access_token, api_key or client_credentials
    id: str
    scopes: frozenset[str]
    subject: str | None
    username: str | None
    client_id: str | None
    expires_at: int | None  # seconds since 1970
    exchanged: bool = False
    key: str | None = None  # thumbprint of the key that it is bound to (RFC 9449 §6)


class ServiceUnavailable(OAuth2Error):
    """The authorization server does not answer: nobody is let in on a guess."""

    error = "temporarily_unavailable"
    description = "The credential cannot be verified at the moment."
    status_code = 503


class InvalidRequest(OAuth2Error):
    """Two credentials in one request (RFC 6750 §2)."""

    error = "invalid_request"
    description = "Send one credential."
    status_code = 400


class NothingSent(OAuth2Error):
    """No credential at all: a bare challenge (RFC 6750 §3.1), where Authlib adds an error code."""

    error = "unauthorized"
    description = "A credential is needed."
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """Challenge, and say no more."""
        return [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("WWW-Authenticate", "Bearer")]


class InvalidProof(OAuth2Error):
    """The DPoP proof is missing, for something else, stale or used before (RFC 9449 §7.1)."""

    error = "invalid_dpop_proof"
    description = "A fresh DPoP proof of the key is needed, for this request and this token."
    status_code = 401

    def get_headers(self) -> list[tuple[str, str]]:
        """Add the challenge."""
        challenge = f'DPoP error="{self.error}", algs="{" ".join(PROOF_KEYS)}"'
        return [*super().get_headers(), ("WWW-Authenticate", challenge)]


class Verifier(Protocol):
    """One way to tell what a token may do."""

    def __call__(self, token: str, client_ip: str | None = None) -> Credential | None:
        """Return the credential, None when it is not active here for this caller; raises ServiceUnavailable."""


class Introspection:
    """Ask the authorization server (RFC 7662): true at once after a revocation, a request a call."""

    def __init__(
        self, issuer: str, resource: str, client: tuple[str, str], max_age: float, now: Callable[[], float]
    ) -> None:
        """`max_age` is how many seconds an answer may be reused; 0 keeps none."""
        self._resource = resource
        self._url = f"{issuer}/oauth/introspect"
        self._http = httpx.Client(auth=client, timeout=TIMEOUT)
        self._max_age = max_age
        self._now = now
        self._answers: OrderedDict[bytes, tuple[float, Mapping[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, token: str, client_ip: str | None = None) -> Credential | None:
        """Return what the server says of the token now, or said at most `max_age` seconds ago for this address."""
        form = {"token": token} | ({"client_ip": client_ip} if client_ip else {})
        asked = _digest(f"{client_ip} {token}")
        answer = self._kept(asked) or self._ask(form, asked)
        return _credential(answer, self._resource, self._now()) if answer.get("active") is True else None

    def _ask(self, form: dict[str, str], asked: bytes) -> Mapping[str, Any]:
        try:
            response = self._http.post(self._url, data=form)
            response.raise_for_status()
            answer = response.json()
        except (httpx.HTTPError, ValueError):
            raise ServiceUnavailable from None
        if not isinstance(answer, dict):
            raise ServiceUnavailable
        self._keep(asked, answer)
        return answer

    def _kept(self, asked: bytes) -> Mapping[str, Any] | None:
        with self._lock:
            asked_at, answer = self._answers.get(asked, (float("-inf"), {}))
        return answer if self._now() - asked_at < self._max_age else None

    def _keep(self, asked: bytes, answer: Mapping[str, Any]) -> None:
        if self._max_age > 0 and answer.get("active") is True:  # what was refused is asked for again
            with self._lock:
                self._answers[asked] = (self._now(), answer)
                while len(self._answers) > CACHED_ANSWERS:
                    self._answers.popitem(last=False)


class PublishedKeys(jwt.PyJWKClient):
    """The server's public keys, kept for some minutes; fetched by httpx, where PyJWT would take urllib."""

    def __init__(self, url: str, http: httpx.Client) -> None:
        super().__init__(url, lifespan=KEYS_KEPT)
        self._http = http

    def fetch_data(self) -> Any:
        """Get the key set; raises PyJWKClientConnectionError, and PyJWKClientError when it is none."""
        try:
            response = self._http.get(self.uri)
            response.raise_for_status()
            return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise jwt.PyJWKClientConnectionError("the keys cannot be fetched") from error


class LocalVerification:
    """Check a JWT's signature with the server's public keys (RFC 9068 §4): no request, but revoked only at `exp`."""

    def __init__(self, issuer: str, resource: str, now: Callable[[], float], keys: jwt.PyJWKClient) -> None:
        self._issuer = issuer
        self._resource = resource
        self._keys = keys
        self._now = now

    def __call__(self, token: str, client_ip: str | None = None) -> Credential | None:
        """Return what the signed claims say; a key's networks are not among them."""
        try:
            if jwt.get_unverified_header(token).get("typ") != "at+jwt":
                return None
            claims = jwt.decode(
                token,
                self._keys.get_signing_key_from_jwt(token),
                algorithms=["ES256"],
                audience=self._resource,
                issuer=self._issuer,
                options={"verify_exp": False, "require": CLAIMS},
            )
        except jwt.PyJWKClientConnectionError:
            raise ServiceUnavailable from None
        except jwt.PyJWTError:
            return None
        return _credential(claims | {"exchanged": "origin" in claims}, self._resource, self._now())


def _credential(claims: Mapping[str, Any], resource: str, now: float) -> Credential | None:
    audience = claims.get("aud", ())
    if resource not in ((audience,) if isinstance(audience, str) else audience):
        return None
    if "exp" in claims and claims["exp"] <= now:
        return None
    cnf = claims.get("cnf", {})
    if set(cnf) - {"jkt"}:  # bound to what is not seen here
        return None
    kind = claims["credential_type"]
    anonymous = kind == "api_key"  # RFC 9068 demands a sub and a client_id even where there is nobody
    machine = kind == "client_credentials"
    return Credential(
        kind=kind,
        id=claims["jti"],
        scopes=frozenset(claims.get("scope", "").split()),
        subject=None if anonymous else claims.get("sub"),
        username=claims.get("username"),
        client_id=claims.get("client_id") if machine else None,
        expires_at=claims.get("exp"),
        exchanged=bool(claims.get("exchanged")),
        key=cnf.get("jkt"),
    )


class Proofs:
    """DPoP proofs (RFC 9449 §4.3): each is good once, for one request, in each process of this API."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._used: OrderedDict[bytes, float] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, proof: str, key: str, token: str, method: str, url: str) -> None:
        """Take a proof of this key for this token and request; raises InvalidProof."""
        try:
            claims, shown = _read_proof(proof)
            fits = claims["htm"] == method and _plain(claims["htu"]) == _plain(url)
            fits = fits and abs(self._now() - float(claims["iat"])) <= PROOF_FRESH
            fits = fits and hmac.compare_digest(f"{shown} {claims['ath']}", f"{key} {_b64(_digest(token))}")
        except UNREADABLE:
            raise InvalidProof from None
        if not fits or not self._first_time(f"{shown} {claims['jti']}"):
            raise InvalidProof

    def _first_time(self, name: str) -> bool:
        now, digest = self._now(), _digest(name)
        with self._lock:
            while self._used and next(iter(self._used.values())) < now - 2 * PROOF_FRESH:
                self._used.popitem(last=False)
            if digest in self._used:
                return False
            self._used[digest] = now
            return True


def _read_proof(proof: str) -> tuple[dict[str, Any], str]:
    """Give the claims of a proof and the thumbprint of the key that it shows, and that signed it (RFC 7638)."""
    header = jwt.get_unverified_header(proof) if len(proof) <= LONGEST_PROOF else {}
    members = {name: header["jwk"][name] for name in PROOF_KEYS[header["alg"]]}
    if header["typ"] != "dpop+jwt" or {"d", "k"} & header["jwk"].keys():
        raise ValueError("no proof")
    options: Any = {"verify_iat": False, "verify_aud": False, "require": ["jti", "htm", "htu", "iat", "ath"]}
    key = jwt.PyJWK(members, header["alg"])
    claims = jwt.decode(proof, key, algorithms=[header["alg"]], options=options)
    return claims, _b64(_digest(json.dumps(members, separators=(",", ":"), sort_keys=True)))


def _plain(url: str) -> tuple[str, str | None, int | None, str]:
    """Give what RFC 9449 §4.3 compares of a URL: not its query, not its fragment, not how it is spelled."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, unquote(parts.path) or "/"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class _Validator(BearerTokenValidator):
    """One validator for every token, where Authlib would silently ignore a second bearer one."""

    def __init__(self, introspection: Verifier, local: Verifier, proofs: Proofs) -> None:
        super().__init__()
        self._proofs = proofs
        self._introspection = introspection
        self._local = local

    def authenticate_token(self, token_string: str) -> str:
        """Leave the token as it is: which way to verify it is the route's choice, told to `validate_token`."""
        return token_string

    def validate_token(
        self, token: str, scopes: list[str] | None, request: object, verify: list[Verification] | None = None
    ) -> None:
        """Verify the way the route wants; an opaque token can only be introspected."""
        local = verify == ["local"] and token.count(".") == 2
        credential = (self._local if local else self._introspection)(token, _client_ip())
        if credential is None:
            raise InvalidTokenError
        self._prove(credential, token)
        if missing := [scope for scope in scopes or [] if scope not in credential.scopes]:
            raise _InsufficientScope(missing)
        g.latchkey_credential = credential

    def _prove(self, credential: Credential, token: str) -> None:
        """Let nobody send a bound token as Bearer, nor an unbound one as DPoP (RFC 9449 §7.2)."""
        if (credential.key is not None) != (_scheme() == "dpop"):
            raise InvalidTokenError
        if credential.key is not None:
            proof = flask_request.headers.get("DPoP", "")
            self._proofs(proof, credential.key, token, flask_request.method, flask_request.base_url)


class _InsufficientScope(InsufficientScopeError):
    """Carry the RFC 6750 §3 challenge, which Authlib leaves out of a 403."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__()
        self._missing = missing

    def get_headers(self) -> list[tuple[str, str]]:
        """Name the scope that is needed."""
        challenge = f'Bearer error="insufficient_scope", scope="{" ".join(self._missing)}"'
        return [*super().get_headers(), ("WWW-Authenticate", challenge)]


class ResourceServer(ResourceProtector):
    """Protects the routes of one API resource."""

    def __init__(
        self,
        issuer: str,
        resource: str,
        client_id: str,
        client_secret: str,
        max_age: float = 0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`resource` is this API's identifier; the client must serve it. `max_age` (seconds) caches introspection."""
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
        """Let a view be called only with all of these scopes. `verify="local"` checks JWTs without a request."""
        decorator = self(list(scopes), verify=verify)
        return cast("Callable[[Callable[P, R]], Callable[P, R]]", decorator)

    def parse_request_authorization(self, request: Any) -> tuple[_Validator, str]:
        """Take `X-API-Key` as well as `Authorization: Bearer` or `DPoP`, and refuse both at once (RFC 6750 §2)."""
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
    """Return the caller's address as Flask knows it, None for a Unix socket; behind proxies ProxyFix sets it."""
    try:
        return str(ip_address((flask_request.remote_addr or "").partition("%")[0]))
    except ValueError:
        return None


def _scheme() -> str:
    return flask_request.headers.get("Authorization", "").partition(" ")[0].lower()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _current() -> Credential:
    return cast(Credential, g.latchkey_credential)


current_credential = cast(Credential, LocalProxy(_current))
