"""DPoP proofs (RFC 9449 §4): read and verified by themselves. Whether one fits its request is for who asks."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.crypto.access_token import COMPACT

TYPE = "dpop+jwt"
LONGEST = 8_192  # characters; one with an 8192-bit RSA key has some 3 000
LONGEST_CLAIM = 2_000  # characters of a URL, fewer of anything else
RSA_BITS = range(2048, 8193)
RSA_LARGEST_EXPONENT = 2**32  # the larger, the longer a signature takes to verify; 65537 is what all use
SECRETS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
KINDS: Mapping[str, tuple[str, str | None, type[Any]]] = {  # alg: kty, crv, and who reads such a key
    "ES256": ("EC", "P-256", ECAlgorithm),
    "RS256": ("RSA", None, RSAAlgorithm),
    "PS256": ("RSA", None, RSAAlgorithm),
    "EdDSA": ("OKP", "Ed25519", OKPAlgorithm),
    "Ed25519": ("OKP", "Ed25519", OKPAlgorithm),  # RFC 9864 §2.2
}
ALGORITHMS = tuple(KINDS)
_PUBLIC = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}  # RFC 7638 §3.2
_JWS = jwt.PyJWS()
_JWS.register_algorithm("Ed25519", OKPAlgorithm())


class BadProof(Exception):
    """It is no proof at all. The text is public."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a proof says, once its signature holds; `jkt` is the thumbprint of the key that made it."""

    jkt: str
    jti: str
    htm: str
    htu: str
    issued_at: datetime
    ath: str | None
    nonce: str | None


def read_proof(text: str) -> Proof:
    """Give what a proof says; raises BadProof unless it is one, signed by the key that it shows (RFC 9449 §4.3)."""
    if len(text) > LONGEST or COMPACT.fullmatch(text) is None:  # two headers arrive as one, with a comma
        raise BadProof("one DPoP header with one proof is needed")
    try:
        header = jwt.get_unverified_header(text)
        key, jkt = _shown(header)
        claims = json.loads(_JWS.decode(text, key, algorithms=[header["alg"]]))
    except (jwt.PyJWTError, UnsupportedAlgorithm, ValueError, TypeError, RecursionError):
        raise BadProof("the proof's key or signature does not hold") from None
    if not isinstance(claims, dict):
        raise BadProof("the proof holds no claims")
    return _said(claims, jkt)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Give the SHA-256 thumbprint of a public key (RFC 7638 §3)."""
    required = {name: jwk[name] for name in _PUBLIC[jwk["kty"]]}
    return _digest(json.dumps(required, separators=(",", ":"), sort_keys=True))


def hash_of(token: str) -> str:
    """Give the `ath` of an access token (RFC 9449 §4.2)."""
    return _digest(token)


def _shown(header: Mapping[str, Any]) -> tuple[Any, str]:
    """Give the key in the header, and its thumbprint as its canonical form has it."""
    if str(header.get("typ", "")).lower() != TYPE:
        raise BadProof(f"the proof's typ is not {TYPE}")
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if not isinstance(algorithm, str) or algorithm not in KINDS:
        raise BadProof("the proof's alg is not supported")
    kty, crv, reader = KINDS[algorithm]
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != (kty, crv):
        raise BadProof("the proof's jwk is missing, or does not fit its alg")
    if SECRETS & jwk.keys():
        raise BadProof("the proof shows a private key: take it out of use")
    key = reader.from_jwk({name: jwk.get(name) for name in _PUBLIC[kty]})
    if kty == "RSA" and (key.key_size not in RSA_BITS or key.public_numbers().e > RSA_LARGEST_EXPONENT):
        raise BadProof("the proof's key is too short or too long, or its exponent too large")
    return key, thumbprint(reader.to_jwk(key, as_dict=True))


def _said(claims: Mapping[str, Any], jkt: str) -> Proof:
    texts = {name: _text(claims, name) for name in ("jti", "htm", "htu", "ath", "nonce")}
    jti, htm, htu = texts["jti"], texts["htm"], texts["htu"]
    if not (jti and htm and htu):
        raise BadProof("the proof lacks jti, htm or htu")
    return Proof(jkt, jti, htm, htu, _instant(claims.get("iat")), texts["ath"], texts["nonce"])


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > LONGEST_CLAIM):
        raise BadProof(f"the proof's {name} is no text, or too long")
    return value


def _instant(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadProof("the proof lacks iat")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadProof("the proof's iat is no time") from None


def _digest(text: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=").decode()
    )
