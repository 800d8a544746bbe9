"""An OpenID provider on 127.0.0.1 that a test can tell to misbehave; it signs in whomever the test names."""

import base64
import hashlib
import itertools
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
CLIENT, SECRET = "latchkey at the fake", "a secret: with % and +"
HUGE = b"[" + b" " * 2_000_000 + b"]"
Answer = tuple[int, bytes, dict[str, str]]


def make_key(kid: str, algorithm: str = "ES256") -> tuple[Any, dict[str, Any]]:
    """Return a private key, and its public JWK."""
    if algorithm == "ES256":
        key: Any = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    else:
        key = rsa.generate_private_key(65_537, 2048)
        public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return key, public | {"kid": kid, "use": "sig", "alg": algorithm}


@dataclass
class FakeProvider:
    """What it is, and how it answers; a path in `answers` is answered so instead."""

    port: int
    now: Callable[[], int]
    algorithm: str = "ES256"
    kid: str = "first"
    key: Any = None
    published: list[dict[str, Any]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)  # further members, or others
    tokens: dict[str, Any] = field(default_factory=dict)  # further members of a token response
    userinfo: dict[str, Any] | None = None
    answers: dict[str, Answer] = field(default_factory=dict)
    hangs: set[str] = field(default_factory=set)
    asked: list[tuple[str, dict[str, str], dict[str, str]]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    _codes: dict[str, dict[str, Any]] = field(default_factory=dict)
    _serial: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.rotate(self.kid)

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def rotate(self, kid: str, algorithm: str = "ES256") -> None:
        """Sign with a new key, the only one that is published."""
        self.kid, self.algorithm = kid, algorithm
        self.key, public = make_key(kid, algorithm)
        self.published = [public]

    def claims(self, subject: str, **others: Any) -> dict[str, Any]:
        """Return the claims of an ID token; a claim that is None is left out."""
        now = self.now()
        plain = {"iss": self.issuer, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300}
        return {name: value for name, value in (plain | others).items() if value is not None}

    def sign(self, claims: dict[str, Any], typ: str = "JWT", **others: Any) -> str:
        """Sign claims, by default with the present key."""
        key, algorithm = others.pop("key", self.key), others.pop("algorithm", self.algorithm)
        return jwt.encode(claims, key, algorithm, {"kid": self.kid, "typ": typ, **others})

    def logout_token(self, **others: Any) -> str:
        """Sign a logout token."""
        typ = others.pop("typ", "logout+jwt")
        plain: dict[str, Any] = {"jti": "a logout", "events": {LOGOUT_EVENT: {}}, "sub": None, "exp": self.now() + 120}
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": self.now(), **plain, **others}
        return self.sign({name: value for name, value in claims.items() if value is not None}, typ)

    def consent(self, url: str, subject: str, token: str | None = None, **claims: Any) -> str:
        """Sign a person in who was sent to this URL; return the path and query with which the browser comes back."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        code = f"code {next(self._serial)}"
        nonce = claims.pop("nonce", asked["nonce"])
        self._codes[code] = {"asked": asked, "token": token, "claims": self.claims(subject, nonce=nonce, **claims)}
        target = urlsplit(asked["redirect_uri"])
        return f"{target.path}?{urlencode({'code': code, 'state': asked['state'], 'iss': self.issuer})}"

    def answer(self, method: str, path: str, headers: dict[str, str], form: dict[str, str]) -> Answer:
        """Answer a request."""
        self.asked.append((path, headers, form))
        if path in self.hangs:
            self.release.wait(30)
        if path in self.answers:
            return self.answers[path]
        documents: dict[str, Callable[[], Any]] = {
            "/.well-known/openid-configuration": self._describe,
            "/jwks": lambda: {"keys": self.published},
            "/userinfo": lambda: self.userinfo,
            "/token": lambda: self._redeem(headers, form),
        }
        made = documents.get(path, lambda: None)()
        return (404 if made is None else 400 if "error" in made else 200), json.dumps(made).encode(), {}

    def _describe(self) -> dict[str, Any]:
        names = {"authorization_endpoint": "/auth", "token_endpoint": "/token", "jwks_uri": "/jwks"}
        names |= {} if self.userinfo is None else {"userinfo_endpoint": "/userinfo"}
        plain = {"issuer": self.issuer} | {name: self.issuer + path for name, path in names.items()}
        return plain | self.metadata

    def _redeem(self, headers: dict[str, str], form: dict[str, str]) -> dict[str, Any]:
        kept = self._codes.pop(form.get("code", ""), None)
        if kept is None or not self._is_client(headers, form):
            return {"error": "invalid_grant"}
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
        if kept["asked"]["code_challenge"] != challenge.decode().rstrip("="):
            return {"error": "invalid_grant"}
        token = kept["token"] or self.sign(kept["claims"])
        return {"access_token": "an access token", "token_type": "Bearer", "id_token": token} | self.tokens

    def _is_client(self, headers: dict[str, str], form: dict[str, str]) -> bool:
        if "client_assertion" in form:
            return True  # the test verifies it
        if "client_secret" in form:
            return (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)
        sent = base64.b64decode(headers.get("Authorization", "").removeprefix("Basic ")).decode()
        return tuple(map(unquote_plus, sent.split(":"))) == (CLIENT, SECRET)


@contextmanager
def providing(now: Callable[[], int]) -> Iterator[FakeProvider]:
    """Run a provider until the block ends; `now` is its clock, in seconds."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                self._answer({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            with suppress(OSError):
                self._answer({name: values[0] for name, values in parse_qs(body).items()})

        def _answer(self, form: dict[str, str]) -> None:
            status, body, headers = provider.answer(self.command, self.path, dict(self.headers), form)
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                **headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    provider = FakeProvider(server.server_port, now)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        provider.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
