"""A client that makes DPoP proofs (RFC 9449 §4), good ones and bad ones."""

import base64
import hashlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

MAKERS: dict[str, tuple[Callable[[], Any], Any]] = {
    "ES256": (lambda: ec.generate_private_key(ec.SECP256R1()), ECAlgorithm),
    "RS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "PS256": (lambda: rsa.generate_private_key(65537, 2048), RSAAlgorithm),
    "EdDSA": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate, OKPAlgorithm),
}
PUBLIC = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_serial = itertools.count(1)
_JWS = jwt.PyJWS()
_JWS.register_algorithm("Ed25519", OKPAlgorithm())


@dataclass
class Prover:
    """The holder of a key; `now` gives the time in seconds."""

    now: Callable[[], float]
    alg: str = "ES256"
    key: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        maker, self._kind = MAKERS[self.alg]
        self.key = self.key or maker()

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, bare."""
        whole = self._kind.to_jwk(self.key.public_key(), as_dict=True)
        return {name: whole[name] for name in PUBLIC[whole["kty"]]}

    @property
    def jkt(self) -> str:
        """Its thumbprint (RFC 7638 §3)."""
        return b64(hashlib.sha256(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")).encode()).digest())

    def proof(
        self, method: str, url: str, token: str | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Make a proof; a claim or header member that is None is left out."""
        said = {"jti": f"proof-{next(_serial)}", "htm": method, "htu": url, "iat": int(self.now())}
        if token is not None:
            said["ath"] = ath(token)
        head = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.jwk} | (header or {})
        payload = json.dumps({name: value for name, value in (said | claims).items() if value is not None})
        shown = {name: value for name, value in head.items() if name != "alg"}
        signed: str = _JWS.encode(payload.encode(), self.key, head["alg"], shown)
        return signed


def rsa_key(exponent: int) -> rsa.RSAPrivateKey:
    """Make a key with this public exponent, a prime, where the library makes 3 and 65537 alone."""
    made = rsa.generate_private_key(65537, 2048).private_numbers()
    p, q = made.p, made.q
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), made.iqmp, public).private_key()


def ath(token: str) -> str:
    """Hash an access token (RFC 9449 §4.2)."""
    return b64(hashlib.sha256(token.encode()).digest())


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
