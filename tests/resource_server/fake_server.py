"""An authorization server in the test's own process: it publishes keys, signs tokens and status lists, and fails."""

import base64
import json
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

ISSUER = "https://auth.example"
RESOURCE = "https://orders.example"
LIST = f"{ISSUER}/status-lists/monday"
KEYS = f"{ISSUER}/.well-known/jwks.json"
INTROSPECTION = f"{ISSUER}/oauth/introspect"
TTL = 5
Json = dict[str, Any]


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def pack(bits: bytes) -> str:
    """Compress and encode the bits of a list."""
    return base64.urlsafe_b64encode(zlib.compress(bits)).rstrip(b"=").decode()


@dataclass(frozen=True)
class Answer:
    """What the server answers in place of what it should."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)

    def build(self) -> httpx.Response:
        """Return a response that was not read yet, as one from the network."""
        named = [(name.encode(), value.encode("latin-1")) for name, value in self.headers.items()]
        return httpx.Response(self.status, headers=named, stream=httpx.ByteStream(self.body))


@dataclass
class FakeServer:
    """What the server is asked is in `requests`; a test changes what it answers. `down` has it not answer at all."""

    clock: Clock = field(default_factory=Clock)
    down: bool = False
    requests: Counter[str] = field(default_factory=Counter)
    headers: list[httpx.Headers] = field(default_factory=list)
    keys: dict[str, ec.EllipticCurvePrivateKey] = field(default_factory=dict)
    bits: bytearray = field(default_factory=lambda: bytearray(16_384))
    list_claims: Json = field(default_factory=dict)
    list_header: Json = field(default_factory=dict)
    list_answer: Answer | None = None
    keys_answer: Answer | None = None
    other_keys: list[Any] = field(default_factory=list)
    introspected: Json = field(default_factory=lambda: {"active": False})
    before_answering: Callable[[], object] = lambda: None

    def __post_init__(self) -> None:
        self.rotate("first")

    def rotate(self, kid: str) -> None:
        """Add a signing key, which signs from now on."""
        self.keys[kid] = ec.generate_private_key(ec.SECP256R1())

    def sign(self, claims: Json, header: Json, key: Any = None) -> str:
        """Sign by the newest key, unless another is given; a member that is None is left out."""
        kid, newest = list(self.keys.items())[-1]
        head = {name: value for name, value in ({"kid": kid} | header).items() if value is not None}
        body = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(body, newest if key is None else key, head.pop("alg", "ES256"), head)

    def token(self, index: Any = 0, header: Json | None = None, key: Any = None, **claims: Any) -> str:
        """Issue a token whose status is at this index."""
        now = int(self.clock())
        body = {"iss": ISSUER, "aud": RESOURCE, "sub": "c", "client_id": "c", "jti": "t", "scope": "orders:read",
                "credential_type": "client_credentials", "iat": now, "exp": now + 3_600,
                "status": {"status_list": {"idx": index, "uri": LIST}}}  # fmt: skip
        return self.sign(body | claims, {"typ": "at+jwt"} | (header or {}), key)

    def status_list(self) -> str:
        """Sign the list."""
        now = int(self.clock())
        claims = {"iss": ISSUER, "sub": LIST, "iat": now, "exp": now + 3_600, "ttl": TTL,
                  "status_list": {"bits": 1, "lst": pack(bytes(self.bits))}}  # fmt: skip
        return self.sign(claims | self.list_claims, {"typ": "statuslist+jwt"} | self.list_header)

    def set_bit(self, index: int) -> None:
        """Mark an index as to be refused."""
        self.bits[index // 8] |= 1 << index % 8

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer as the server would, for `httpx.MockTransport`."""
        url = str(request.url)
        self.requests[url] += 1
        self.headers.append(request.headers)
        self.before_answering()
        if self.down:
            raise httpx.ConnectError("down")
        if url == KEYS:
            public = [json.loads(ECAlgorithm.to_jwk(key.public_key())) | {"kid": kid} for kid, key in self.keys.items()]
            answer = self.keys_answer or Answer(body=json.dumps({"keys": [*self.other_keys, *public]}).encode())
            return answer.build()
        if url == INTROSPECTION:
            return httpx.Response(200, json=self.introspected)
        return self._answer_list(request) if url == LIST else httpx.Response(404)

    def _answer_list(self, request: httpx.Request) -> httpx.Response:
        if self.list_answer is not None:
            return self.list_answer.build()
        etag = f'"{hash(bytes(self.bits))}"'
        if request.headers.get("If-None-Match") == etag:
            return httpx.Response(304, headers={"ETag": etag})
        return httpx.Response(200, content=self.status_list(), headers={"ETag": etag})
