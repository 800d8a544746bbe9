"""Client certificates (RFC 8705): read one, compare it with what a client registered, and compute its thumbprint.

The proxy that ends the TLS connection checks the chain; nothing here does.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

import jwt
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

MAX_CERTIFICATE_LENGTH = 16_384  # characters
_X509 = (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion)
UNREADABLE = (ValueError, TypeError, KeyError, UnsupportedAlgorithm, jwt.PyJWTError, *_X509)
SUBJECT_FIELDS = tuple(
    f"tls_client_auth_{name}" for name in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email")
)
_KEY = ("kty", "crv", "x", "y", "n", "e")
_PEM = re.compile(r"\s*-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*", re.ASCII)


def read_certificate(text: str) -> x509.Certificate | None:
    """Read `:Base64 of the DER:` (RFC 9440 §2.1) or a PEM with URL escapes (nginx); None when it is neither.

    It must be one certificate and nothing else: a header that was sent twice is refused (RFC 9440 §2.2).
    """
    if len(text) > MAX_CERTIFICATE_LENGTH:
        return None
    try:
        if text.startswith(":") and text.endswith(":") and len(text) > 2:
            return x509.load_der_x509_certificate(base64.b64decode(text[1:-1], validate=True))
        pem = unquote(text)
        return x509.load_pem_x509_certificate(pem.encode()) if _PEM.fullmatch(pem) else None
    except UNREADABLE:
        return None


def thumbprint_of(certificate: x509.Certificate) -> str:
    """Return the `x5t#S256` (RFC 8705 §3.1)."""
    der = certificate.public_bytes(Encoding.DER)
    return base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()


def is_valid_at(certificate: x509.Certificate, at: datetime) -> bool:
    """Return whether a certificate is valid at this instant; never, when its dates are invalid (a year 0)."""
    try:
        return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc
    except UNREADABLE:
        return False


def has_subject(certificate: x509.Certificate, subject: Mapping[str, str]) -> bool:
    """Return whether it names the one subject that a client registered, under its field (RFC 8705 §2.1.2)."""
    if len(subject) != 1:
        return False
    [(field, wanted)] = subject.items()
    try:
        return field in _MATCHES and _MATCHES[field](certificate, wanted)
    except UNREADABLE:
        return False


def is_subject(field: str, value: str) -> bool:
    """Return whether a value can be looked for under this field."""
    try:
        if field == SUBJECT_FIELDS[0]:
            return len(x509.Name.from_rfc4514_string(value)) > 0
        if field == "tls_client_auth_san_ip":
            return bool(ip_address(value))
    except ValueError:
        return False
    return bool(value) and value.isascii() and value.isprintable() and " " not in value


def is_among(certificate: x509.Certificate, jwks: Mapping[str, Any]) -> bool:
    """Return whether a client registered this certificate (`x5c`), or its key alone (RFC 8705 §2.2.2)."""
    keys = jwks.get("keys")
    return isinstance(keys, list) and any(_is_key_of(certificate, key) for key in keys if isinstance(key, dict))


def holds_key(x5c: object, jwk: Mapping[str, Any]) -> bool:
    """Return whether the first certificate of an `x5c` is of this public key (RFC 7517 §4.7)."""
    try:
        return isinstance(x5c, list) and _key_in(_first_certificate(x5c)) == _key_of(jwk)
    except UNREADABLE:
        return False


def _is_key_of(certificate: x509.Certificate, jwk: Mapping[str, Any]) -> bool:
    try:
        if "x5c" in jwk:
            return hmac.compare_digest(thumbprint_of(certificate), thumbprint_of(_first_certificate(jwk["x5c"])))
        return _key_in(certificate) == _key_of(jwk)
    except UNREADABLE:
        return False


def _first_certificate(x5c: Any) -> x509.Certificate:
    return x509.load_der_x509_certificate(base64.b64decode(x5c[0], validate=True))


def _key_in(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_of(jwk: Mapping[str, Any]) -> bytes:
    key = jwt.PyJWK({name: jwk[name] for name in _KEY if name in jwk}).key
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


def _alt_names(certificate: x509.Certificate) -> x509.SubjectAlternativeName:
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value


def _has_dns_name(certificate: x509.Certificate, wanted: str) -> bool:
    return wanted.lower() in [name.lower() for name in _alt_names(certificate).get_values_for_type(x509.DNSName)]


_MATCHES: Mapping[str, Callable[[x509.Certificate, str], bool]] = {
    "tls_client_auth_subject_dn": lambda c, wanted: c.subject == x509.Name.from_rfc4514_string(wanted),
    "tls_client_auth_san_dns": _has_dns_name,
    "tls_client_auth_san_uri": lambda c, w: w in _alt_names(c).get_values_for_type(x509.UniformResourceIdentifier),
    "tls_client_auth_san_ip": lambda c, w: ip_address(w) in _alt_names(c).get_values_for_type(x509.IPAddress),
    "tls_client_auth_san_email": lambda c, wanted: wanted in _alt_names(c).get_values_for_type(x509.RFC822Name),
}
