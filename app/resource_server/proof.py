"""Check that the caller holds what a token is bound to: a DPoP key, or the key of a client certificate."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

import jwt

from .cache import ReplayCache
from .credential import Credential
from .errors import InvalidProof, InvalidToken
from .keys import UNREADABLE
from .request import Presented, Request

MAX_AGE = 60  # seconds that the `iat` of a proof may differ from now, either way
MAX_LENGTH = 8_192  # characters
PROOF_KEYS = {"ES256": ("crv", "kty", "x", "y"), "RS256": ("e", "kty", "n"), "PS256": ("e", "kty", "n"),
              "EdDSA": ("crv", "kty", "x")}  # fmt: skip


def prove(credential: Credential, presented: Presented, request: Request, proofs: Proofs) -> None:
    """Raise a refusal unless the request shows that the caller holds what the credential is bound to.

    A token that is bound to a DPoP key is refused as Bearer, and one that is not by the scheme DPoP (RFC 9449 §7.2).
    """
    if (credential.key is not None) != presented.by_dpop:
        raise InvalidToken
    if credential.certificate is not None and not _is_of(request.certificate, credential.certificate):
        raise InvalidToken  # RFC 8705 §3
    if credential.key is not None:
        proof = request.dpop[0] if len(request.dpop) == 1 else ""
        proofs(proof, credential.key, presented.token, request.method, request.url)


def _is_of(certificate: bytes | None, thumbprint: str) -> bool:
    """Return whether a certificate has this thumbprint (RFC 8705 §3.1)."""
    return certificate is not None and hmac.compare_digest(_encode_digest(certificate), thumbprint)


class Proofs:
    """Check DPoP proofs (RFC 9449 §4.3): each is valid once, for one request, in each process of this API."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        # A proof from the future is fresh for twice MAX_AGE; the cache drops an entry at its last second, so one more.
        self._used = ReplayCache(2 * MAX_AGE + 1, now)

    def __call__(self, proof: str, key: str, token: str, method: str, url: str) -> None:
        """Use up a proof of this key for this token and request; raise InvalidProof."""
        try:
            claims, thumbprint = _read_proof(proof)
            fits = claims["htm"] == method and _normalize_url(claims["htu"]) == _normalize_url(url)
            fits = fits and abs(self._now() - float(claims["iat"])) <= MAX_AGE
            fits = fits and hmac.compare_digest(f"{thumbprint} {claims['ath']}", f"{key} {_hash(token)}")
        except UNREADABLE:
            raise InvalidProof from None
        if not fits or not self._used.add(f"{thumbprint} {claims['jti']}"):
            raise InvalidProof


def _read_proof(proof: str) -> tuple[dict[str, Any], str]:
    """Return the claims of a proof and the thumbprint (RFC 7638) of the key in it, which must have signed it."""
    header = jwt.get_unverified_header(proof) if len(proof) <= MAX_LENGTH else {}
    members = {name: header["jwk"][name] for name in PROOF_KEYS[header["alg"]]}
    if header["typ"] != "dpop+jwt" or {"d", "k"} & header["jwk"].keys():
        raise ValueError("not a DPoP proof, or one with a private key in it")
    options: Any = {"verify_iat": False, "verify_aud": False, "require": ["jti", "htm", "htu", "iat", "ath"]}
    key = jwt.PyJWK(members, header["alg"])
    claims = jwt.decode(proof, key, algorithms=[header["alg"]], options=options)
    return claims, _hash(json.dumps(members, separators=(",", ":"), sort_keys=True))


def _normalize_url(url: str) -> tuple[str, str | None, int | None, str]:
    """Return what RFC 9449 §4.3 compares of a URL: no query, no fragment, and one spelling of the rest."""
    parts = urlsplit(url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port, unquote(parts.path) or "/"


def _hash(text: str) -> str:
    """Return the digest of a text, as `ath` and `jkt` are (RFC 9449 §4.2, §6.1)."""
    return _encode_digest(text.encode("utf-8", "surrogatepass"))


def _encode_digest(raw: bytes) -> str:
    """Return the base64url of a SHA-256 digest."""
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
