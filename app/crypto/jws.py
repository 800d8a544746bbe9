"""Signatures by the keys of others (RFC 7515): which algorithms are accepted, and how a public JWK is read.

The server's only JOSE library is PyJWT, which signs and verifies on the hot path; joserfc is Authlib's own dependency.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

KEYS: Mapping[str, tuple[str, str | None, type[Any]]] = {  # alg: kty, crv, and what reads such a key
    "ES256": ("EC", "P-256", ECAlgorithm),
    "RS256": ("RSA", None, RSAAlgorithm),
    "PS256": ("RSA", None, RSAAlgorithm),
    "EdDSA": ("OKP", "Ed25519", OKPAlgorithm),
    "Ed25519": ("OKP", "Ed25519", OKPAlgorithm),  # RFC 9864 §2.2
}
ALGORITHMS = tuple(KEYS)
MEMBERS = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}  # RFC 7638 §3.2
UNREADABLE = (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, RecursionError)  # raised for malformed input
_JWS = jwt.PyJWS()
_JWS.register_algorithm("Ed25519", OKPAlgorithm())


def read_header(token: str) -> dict[str, Any]:
    """Return the header of a compact JWS, unverified; raises one of UNREADABLE."""
    return _JWS.get_unverified_header(token)


def read_key(jwk: Mapping[str, Any], algorithm: str) -> Any:
    """Return the public key of a JWK that fits the algorithm; raises one of UNREADABLE."""
    kty, crv, reader = KEYS[algorithm]
    if (jwk.get("kty"), jwk.get("crv")) != (kty, crv):
        raise ValueError("the key does not fit the algorithm")
    return reader.from_jwk({name: jwk.get(name) for name in MEMBERS[kty]})


def verify_signature(token: str, key: Any, algorithm: str) -> bytes:
    """Return the payload of a compact JWS that this key signed with this algorithm; raises one of UNREADABLE."""
    payload: bytes = _JWS.decode(token, key, algorithms=[algorithm])
    return payload
