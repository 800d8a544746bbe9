"""DPoP proofs (RFC 9449 §4): read one and verify its signature. Whether it fits its request is checked elsewhere."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.crypto.access_token import COMPACT
from app.crypto.jws import KEYS, MEMBERS, UNREADABLE, read_header, read_key, verify_signature

TYPE = "dpop+jwt"
MAX_LENGTH = 8_192  # characters; one with an 8192-bit RSA key has some 3 000
MAX_CLAIM_LENGTH = 2_000  # characters of a URL, fewer of anything else
RSA_BITS = range(2048, 8193)
MAX_RSA_EXPONENT = 2**32  # the larger, the longer a signature takes to verify; 65537 is what all use
SECRETS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class BadProof(Exception):
    """The text is not a valid proof. The message is public."""


@dataclass(frozen=True, slots=True)
class Proof:
    """The claims of a proof whose signature is valid; `jkt` is the thumbprint of the key that signed it."""

    jkt: str
    jti: str
    htm: str
    htu: str
    issued_at: datetime
    ath: str | None
    nonce: str | None


def read_proof(text: str) -> Proof:
    """Return the claims of a proof; raises BadProof unless it is signed by the key in its header (RFC 9449 §4.3)."""
    if len(text) > MAX_LENGTH or COMPACT.fullmatch(text) is None:  # two headers arrive as one, with a comma
        raise BadProof("one DPoP header with one proof is needed")
    try:
        header = read_header(text)
        key, jkt = _read_proof_key(header)
        claims = json.loads(verify_signature(text, key, header["alg"]))
    except UNREADABLE:
        raise BadProof("the proof's key or signature does not hold") from None
    if not isinstance(claims, dict):
        raise BadProof("the proof holds no claims")
    return _read_claims(claims, jkt)


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the SHA-256 thumbprint of a public key (RFC 7638 §3)."""
    required = {name: jwk[name] for name in MEMBERS[jwk["kty"]]}
    return _digest(json.dumps(required, separators=(",", ":"), sort_keys=True))


def hash_of(token: str) -> str:
    """Return the `ath` of an access token (RFC 9449 §4.2)."""
    return _digest(token)


def _read_proof_key(header: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the key in the header, and the thumbprint of its canonical form."""
    if str(header.get("typ", "")).lower() != TYPE:
        raise BadProof(f"the proof's typ is not {TYPE}")
    algorithm, jwk = header.get("alg"), header.get("jwk")
    if not isinstance(algorithm, str) or algorithm not in KEYS:
        raise BadProof("the proof's alg is not supported")
    kty, crv, reader = KEYS[algorithm]
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != (kty, crv):
        raise BadProof("the proof's jwk is missing, or does not fit its alg")
    if SECRETS & jwk.keys():
        raise BadProof("the proof shows a private key: take it out of use")
    key = read_key(jwk, algorithm)
    if kty == "RSA" and (key.key_size not in RSA_BITS or key.public_numbers().e > MAX_RSA_EXPONENT):
        raise BadProof("the proof's key is too short or too long, or its exponent too large")
    return key, thumbprint(reader.to_jwk(key, as_dict=True))


def _read_claims(claims: Mapping[str, Any], jkt: str) -> Proof:
    texts = {name: _read_text(claims, name) for name in ("jti", "htm", "htu", "ath", "nonce")}
    jti, htm, htu = texts["jti"], texts["htm"], texts["htu"]
    if not (jti and htm and htu):
        raise BadProof("the proof lacks jti, htm or htu")
    return Proof(jkt, jti, htm, htu, _read_instant(claims.get("iat")), texts["ath"], texts["nonce"])


def _read_text(claims: Mapping[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > MAX_CLAIM_LENGTH):
        raise BadProof(f"the proof's {name} is not a string, or too long")
    return value


def _read_instant(value: object) -> datetime:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadProof("the proof lacks iat")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise BadProof("the proof's iat is not a valid time") from None


def _digest(text: str) -> str:
    return (
        base64.urlsafe_b64encode(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()).rstrip(b"=").decode()
    )
