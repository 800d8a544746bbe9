"""Public keys of clients and trusted issuers: which ones are accepted, and from which URIs (RFC 7517)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.crypto.certificate import holds_key
from app.crypto.dpop import MAX_RSA_EXPONENT
from app.errors import Invalid

PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"}  # `priv`: of the key type AKP
SYMMETRIC = "oct"
KEPT = ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg", "key_ops", "x5c")
MOST_KEYS = 20
MOST_READ = 50  # keys of a set that was fetched
MOST_TRIED = 5  # keys for one signature
MOST_CERTIFICATES = 5
LONGEST_CERTIFICATE = 10_000  # characters
LONGEST_MEMBER = 2000  # characters; an 8192-bit modulus has 1366
RSA_BITS = range(2048, 8193)
KID = re.compile(r"[ -~]{1,200}")
LONGEST_URI = 2000  # characters
URI_CHARACTERS = re.compile(rf"[A-Za-z0-9._~:/?\[\]@!$&'()*+,;=%-]{{1,{LONGEST_URI}}}")
Jwk = Mapping[str, Any]


def checked_jwks(jwks: Jwk) -> dict[str, Any]:
    """Return the set's usable keys, each with the members that are needed; skip keys of other uses (RFC 7517 §5).

    Raise Invalid for a set without a usable key, and for private or symmetric keys anywhere in the set.
    """
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MOST_KEYS:
        raise Invalid.field("jwks", f'must be {{"keys": […]}} with 1 to {MOST_KEYS} keys')
    for key in keys:
        _check_public(key)
    usable = list(usable_keys({"keys": keys})) or [_checked_key(keys[0])]  # raises the error of the first key
    kids = [key["kid"] for key in usable if "kid" in key]
    if len(set(kids)) < len(kids):
        raise Invalid.field("jwks", "two keys have the same kid")
    return {"keys": usable}


def usable_keys(jwks: Jwk | None, kid: object = None) -> Iterator[dict[str, Any]]:
    """Return the keys of a set that we accept; with `kid`, only keys with this kid or without one.

    Other keys of the set are ignored (RFC 7517 §5).
    """
    keys = None if jwks is None else jwks.get("keys")
    objects = (key for key in keys if isinstance(key, dict)) if isinstance(keys, list) else iter(())
    for key in islice((key for key in objects if kid is None or key.get("kid", kid) == kid), MOST_READ):
        with suppress(Invalid):
            yield _checked_key(key)


def signing_keys(jwks: Jwk | None, kid: object, algorithm: object) -> Iterator[dict[str, Any]]:
    """Return at most MOST_TRIED keys that may have made a signature: for this algorithm, with this `kid` or none."""
    fitting = (
        key
        for key in usable_keys(jwks, kid)
        if algorithm in _ALGORITHMS[key["kty"]] and key.get("alg", algorithm) == algorithm
    )
    return islice(fitting, MOST_TRIED)


def checked_jwks_uri(uri: str, *, private: bool, field: str = "jwks_uri") -> str:
    """Return the URI; raise Invalid unless it is https (with `private`, plain http too) and has a host."""
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        parts.port  # noqa: B018 - raises when it is not a number
    except ValueError:
        raise Invalid.field(field, "is not a URL") from None
    schemes = ("https", "http") if private else ("https",)
    if URI_CHARACTERS.fullmatch(uri) is None or parts.scheme not in schemes or not host or "@" in parts.netloc:
        raise Invalid.field(field, "must be an https URL with a host, without user and fragment")
    return uri


def _check_public(key: object) -> None:
    if not isinstance(key, dict):
        raise Invalid.field("jwks", "each key must be an object")
    if PRIVATE & key.keys() or key.get("kty") == SYMMETRIC:
        raise Invalid.field("jwks", "holds a private or symmetric key: send public keys only")


def _checked_key(key: Any) -> dict[str, Any]:
    _check_public(key)
    kind = (key.get("kty"), key.get("crv"))
    check = next((check for supported, check in _KINDS.items() if supported == kind), None)
    kept = {name: key[name] for name in KEPT if name in key}
    if check is None or not _fits_use(kept):
        raise Invalid.field("jwks", "needs a key for signatures: EC P-256, RSA or Ed25519")
    try:
        check(kept)
    except (ValueError, KeyError, UnsupportedAlgorithm):
        raise Invalid.field("jwks", "a key is malformed or too weak") from None
    return kept


def _fits_use(key: Jwk) -> bool:
    algorithms, kid = _ALGORITHMS[key["kty"]], key.get("kid", "1")
    return (
        key.get("use", "sig") == "sig"
        and key.get("key_ops", ["verify"]) == ["verify"]
        and key.get("alg", algorithms[0]) in algorithms
        and isinstance(kid, str)
        and KID.fullmatch(kid) is not None
        and ("x5c" not in key or _fits_certificates(key))
    )


def _fits_certificates(key: Jwk) -> bool:
    """Return whether the key's certificate has this key (RFC 7517 §4.7)."""
    chain = key["x5c"]
    if not isinstance(chain, list) or not 1 <= len(chain) <= MOST_CERTIFICATES:
        return False
    return all(isinstance(one, str) and len(one) <= LONGEST_CERTIFICATE for one in chain) and holds_key(chain, key)


def _number(key: Jwk, name: str) -> int:
    return int.from_bytes(_octets(key, name), "big")


def _octets(key: Jwk, name: str) -> bytes:
    value = key[name]
    if not isinstance(value, str) or not 1 <= len(value) <= LONGEST_MEMBER or not value.isascii():
        raise ValueError(name)
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(name) from error


def _check_ec(key: Jwk) -> None:
    if len(_octets(key, "x")) != 32 or len(_octets(key, "y")) != 32:  # RFC 7518 §6.2.1.2
        raise ValueError("coordinate")
    ec.EllipticCurvePublicNumbers(_number(key, "x"), _number(key, "y"), ec.SECP256R1()).public_key()


def _check_rsa(key: Jwk) -> None:
    exponent = _number(key, "e")
    if exponent > MAX_RSA_EXPONENT:
        raise ValueError("exponent")
    if rsa.RSAPublicNumbers(exponent, _number(key, "n")).public_key().key_size not in RSA_BITS:
        raise ValueError("modulus")


def _check_ed25519(key: Jwk) -> None:
    ed25519.Ed25519PublicKey.from_public_bytes(_octets(key, "x"))


_KINDS: dict[tuple[object, object], Callable[[Jwk], None]] = {
    ("EC", "P-256"): _check_ec,
    ("RSA", None): _check_rsa,
    ("OKP", "Ed25519"): _check_ed25519,
}
_ALGORITHMS = {"EC": ("ES256",), "RSA": ("RS256", "PS256"), "OKP": ("EdDSA", "Ed25519")}
