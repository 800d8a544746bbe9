"""Check a DPoP proof against its request, and accept it once (RFC 9449 §4.3, §11.1)."""

from __future__ import annotations

import hmac
from datetime import timedelta
from urllib.parse import quote, unquote, urlsplit

from app.clock import Clock
from app.crypto.dpop import BadProof, Proof, hash_of, read_proof
from app.crypto.nonce import Nonces
from app.crypto.opaque import digest
from app.database.statements import delete_expired, insert_once
from app.database.store import Store
from app.errors import InvalidProof, NonceNeeded
from app.models import UsedProof

FRESH = timedelta(seconds=60)  # how far `iat` may lie from our clock, either way
KEPT = 2 * FRESH  # a used proof is stored this long after `iat`: a node whose clock is behind would still accept it
DEFAULT_PORTS = {"http": 80, "https": 443}


class CheckProof:
    """A proof is valid for one request of one method to one URL, by the holder of one key."""

    def __init__(self, store: Store, nonces: Nonces, clock: Clock, *, nonce_required: bool) -> None:
        self._store = store
        self._nonces = nonces
        self._clock = clock
        self._nonce_required = nonce_required

    def __call__(self, text: str, method: str, url: str, token: str | None = None) -> Proof:
        """Return the proof of this request; with `token`, of a request that sends this access token.

        Writes nothing: a proof is accepted again until `use` records it. Raises InvalidProof, NonceNeeded.
        """
        try:
            proof = read_proof(text)
        except BadProof as error:
            raise InvalidProof(str(error)) from None
        wanted = normalize_url(url)
        if proof.htm != method or wanted is None or normalize_url(proof.htu) != wanted:
            raise InvalidProof("the proof is for another method or URL")
        if token is not None and not hmac.compare_digest(_bytes(proof.ath or ""), _bytes(hash_of(token))):
            raise InvalidProof("the proof is for another access token, or names none (ath)")
        self._check_nonce(proof)
        if abs(self._clock() - proof.issued_at) > FRESH:
            raise InvalidProof("the proof is too old, or from the future: iat is more than a minute off")
        return proof

    def use(self, proof: Proof) -> None:
        """Record a proof as used, by an insert, so without a race; raises InvalidProof when a node did so before."""
        now = self._clock()
        with self._store.transaction() as session:
            delete_expired(session, UsedProof, UsedProof.expires_at <= now)
            key = digest(f"{proof.jkt} {proof.jti}")
            if not insert_once(session, UsedProof, proof_digest=key, expires_at=proof.issued_at + KEPT):
                raise InvalidProof("the proof was used before")

    def next_nonce(self) -> str | None:
        """Return the nonce that the next proof must contain (RFC 9449 §8.2); None when none is required."""
        return self._nonces.current(self._clock()) if self._nonce_required else None

    def _check_nonce(self, proof: Proof) -> None:
        now = self._clock()
        missing = proof.nonce is None and self._nonce_required
        if missing or (proof.nonce is not None and not self._nonces.is_valid(proof.nonce, now)):
            raise NonceNeeded("the proof needs the nonce that the DPoP-Nonce header gives", self._nonces.current(now))


def normalize_url(url: str) -> str | None:
    """Return a URL as RFC 9449 §4.3 compares it: without query and fragment, in one spelling; None if malformed."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    if scheme not in DEFAULT_PORTS or not host or "@" in parts.netloc or not url.isascii() or not url.isprintable():
        return None
    named = f":{port}" if port not in (None, DEFAULT_PORTS[scheme]) else ""
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{named}{_normalize_path(parts.path)}"


def _normalize_path(path: str) -> str:
    """Return a path with each segment's escapes in one spelling; an escaped slash stays escaped (RFC 3986 §6.2.2)."""
    return (
        "/".join(quote(unquote(segment, "latin-1"), safe="", encoding="latin-1") for segment in path.split("/")) or "/"
    )


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
