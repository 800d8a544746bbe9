"""Keys of clients, and the assertions that they sign with them (RFC 7523)."""

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.api import Admin, Client, Json

ALGORITHMS = ("ES256", "RS256", "PS256", "EdDSA")
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Key:
    """A private key and how it signs; `public` is the JWK to register."""

    algorithm: str
    kid: str
    private: Any
    public: Json

    def sign(self, claims: Json, **header: Any) -> str:
        """Return a JWT; `header` overrides `alg` and `kid`, None leaves a member out."""
        head = {"kid": self.kid} | header
        return jwt.encode(claims, self.private, self.algorithm, {k: v for k, v in head.items() if v is not None})


def new_key(algorithm: str) -> Key:
    """Make a key for one of ALGORITHMS."""
    rsa_key: Callable[[], Any] = lambda: rsa.generate_private_key(65537, 2048)  # noqa: E731 - a row of the table
    makers: dict[str, tuple[Callable[[], Any], Callable[[Any], str]]] = {
        "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), lambda key: ECAlgorithm.to_jwk(key)),
        "RS256": (rsa_key, lambda key: RSAAlgorithm.to_jwk(key)),
        "PS256": (rsa_key, lambda key: RSAAlgorithm.to_jwk(key)),
        "EdDSA": (ed25519.Ed25519PrivateKey.generate, lambda key: OKPAlgorithm.to_jwk(key)),
    }
    make, to_jwk = makers[algorithm]
    private, kid = make(), uuid.uuid4().hex
    public = json.loads(to_jwk(private.public_key()))
    public.pop("key_ops", None)
    return Key(algorithm, kid, private, public | {"kid": kid, "use": "sig", "alg": algorithm})


def register(admin: Admin, *keys: Key, **fields: Any) -> Client:
    """Register a client that authenticates with these keys."""
    jwks = {"jwks": {"keys": [key.public for key in keys]}} if keys else {}
    return admin.client(token_endpoint_auth_method="private_key_jwt", **jwks, **fields)


def claims(client: Client, audience: str, **other: Any) -> Json:
    """Return the claims of an assertion that is good for a minute; `other` overrides, None leaves a claim out."""
    now = int(time.time())
    mine = {"iss": client.client_id, "sub": client.client_id, "aud": audience, "jti": uuid.uuid4().hex}
    whole = mine | {"iat": now, "exp": now + 60} | other
    return {name: value for name, value in whole.items() if value is not None}


def assertion(signed: str) -> dict[str, str]:
    """Return the two parameters that carry an assertion."""
    return {"client_assertion_type": TYPE, "client_assertion": signed}
