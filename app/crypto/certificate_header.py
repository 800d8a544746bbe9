"""How each proxy forwards a client's certificate: the name of the header, and its format.

The length is checked before anything is read. Each reader returns one certificate, the client's own (the leaf), never
parses the rest of a chain, and returns None for anything that is not exactly its format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.crypto.certificate import MAX_CERTIFICATE_LENGTH, read_certificate

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_CHAIN = re.compile(rf"(?:\s*+{BEGIN}[A-Za-z0-9+/=\s]++{END})++\s*+", re.ASCII)
_PAIR = re.compile(r'[ \t]*+([A-Za-z]++)=("(?:[^"\\]|\\.)*+"|[^",;]*+)[ \t]*+', re.ASCII)  # of XFCC
_ESCAPED = re.compile(r"\\(.)")
_ONCE = {"by", "hash", "cert", "chain", "subject"}  # Envoy writes URI and DNS once for each such name


@dataclass(frozen=True, slots=True)
class Form:
    """What one proxy sends; `safe_when` is what an operator must configure, so that no caller can send the header."""

    header: str
    read: Callable[[str], x509.Certificate | None]
    safe_when: str


def read_pem(text: str) -> x509.Certificate | None:
    """Read one PEM with URL escapes, in which `+` is a plus sign (nginx, the verify mode of AWS ALB)."""
    return None if text.startswith(":") else read_certificate(text)


def read_byte_sequence(text: str) -> x509.Certificate | None:
    """Read `:base64 of the DER:` (RFC 9440 §2.1)."""
    return read_certificate(text) if text.startswith(":") else None


def read_pem_chain(text: str) -> x509.Certificate | None:
    """Read the first of several PEMs with URL escapes (the passthrough mode of AWS ALB): the leaf (RFC 8446 §4.4.2)."""
    if len(text) > MAX_CERTIFICATE_LENGTH:
        return None
    chain = unquote(text)
    return read_certificate(chain.partition(END)[0] + END) if _CHAIN.fullmatch(chain) else None


def read_bare_chain(text: str) -> x509.Certificate | None:
    """Read the first of a comma-separated chain (Traefik): PEMs without their first and last line, maybe escaped."""
    if len(text) > MAX_CERTIFICATE_LENGTH:
        return None
    leaf = unquote(text).partition(",")[0].strip()
    return read_certificate(leaf if leaf.startswith(BEGIN) else f":{leaf}:")


def read_xfcc(text: str) -> x509.Certificate | None:
    """Read `Cert`, or the first of `Chain`, of an X-Forwarded-Client-Cert with one element (Envoy).

    With several elements it is unknown which one this proxy wrote: none is accepted. Envoy does not escape
    the names of a certificate: a `Hash` must be the certificate's, and a field that comes twice may be such a name.
    """
    fields = _fields_of(text) if len(text) <= MAX_CERTIFICATE_LENGTH else None
    if fields is None:
        return None
    found = read_pem(fields["cert"]) if "cert" in fields else read_pem_chain(fields.get("chain", ""))
    return found if found is not None and _has_hash(found, fields.get("hash")) else None


def _fields_of(text: str) -> dict[str, str] | None:
    """Return the fields of the only element; None when there are several, or one that must be single is not."""
    fields: dict[str, str] = {}
    position = 0
    while found := _PAIR.match(text, position):
        name, value = found[1].lower(), found[2].strip()
        if name in _ONCE and name in fields:
            return None
        fields[name] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
        if found.end() == len(text):
            return fields
        if text[found.end()] != ";":
            return None
        position = found.end() + 1
    return None


def _has_hash(certificate: x509.Certificate, digest: str | None) -> bool:
    if digest is None:
        return True
    own = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return digest.lower() == own


FORMS: Mapping[str, Form] = {
    "nginx": Form(
        "ssl-client-cert",
        read_pem,
        "set `proxy_set_header ssl-client-cert $ssl_client_escaped_cert` in every location "
        "(ingress-nginx: auth-tls-pass-certificate-to-upstream), and leave underscores_in_headers off",
    ),
    "traefik": Form(
        "X-Forwarded-Tls-Client-Cert",
        read_bare_chain,
        "set passTLSClientCert.pem on the router, underscoreHeadersStrategy: delete on the entry point "
        "(Traefik 2.11.51, 3.6.20, 3.7.6), and no forwardedHeaders.insecure",
    ),
    "envoy": Form(
        "X-Forwarded-Client-Cert",
        read_xfcc,
        "set forward_client_cert_details: SANITIZE_SET, set_current_client_cert_details: {cert: true}, and "
        "headers_with_underscores_action: REJECT_REQUEST or DROP_HEADER",
    ),
    "alb": Form(
        "X-Amzn-Mtls-Clientcert-Leaf",
        read_pem,
        "set mutual TLS to verify on every listener, and routing.http.drop_invalid_header_fields.enabled",
    ),
    "alb-passthrough": Form(
        "X-Amzn-Mtls-Clientcert",
        read_pem_chain,
        "set mutual TLS to passthrough on every listener, and routing.http.drop_invalid_header_fields.enabled",
    ),
    "rfc9440": Form(
        "Client-Cert",
        read_byte_sequence,
        "let the proxy set or remove Client-Cert on every request (RFC 9440 §4), and drop names with an underscore",
    ),
}
