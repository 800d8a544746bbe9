"""Targets that read proofs of possession: DPoP proofs, and client certificates, some valid with changed bytes."""

from __future__ import annotations

import base64
import contextlib
import json
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from app.crypto import certificate as certificates
from app.crypto import dpop as proofs
from app.crypto.certificate import SUBJECT_FIELDS
from app.crypto.certificate_header import FORMS
from tests.fuzzing.inputs import header_of, holds, text_of, tokens_of

NOW = datetime(2030, 1, 1, 12, 0, 0, 750_000, UTC)
MOST_CHANGES = 4  # bytes of a valid certificate


def dpop(data: bytes) -> None:
    """Check that a proof is read, or refused with BadProof."""
    for token in tokens_of(data):
        with contextlib.suppress(proofs.BadProof):
            proofs.read_proof(token)
    with contextlib.suppress(ValueError, RecursionError):
        claims = json.loads(data)
        if isinstance(claims, dict):
            with contextlib.suppress(proofs.BadProof):
                read = proofs._read_claims(claims, "jkt")
                holds(read.jti and read.htm and read.htu and read.issued_at.tzinfo, claims)


def _make_certificate() -> bytes:
    """Return a certificate with names of several types, as DER."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a client")])
    names = [x509.DNSName("a.example"), x509.RFC822Name("a@a.example"), x509.UniformResourceIdentifier("urn:a")]
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
    return (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.DER)
    )


_DER = _make_certificate()


def certificate(data: bytes) -> None:
    """Check that a proxy's header is read as a certificate or as None, and that comparing it raises no exception."""
    certificates.read_certificate(header_of(data))
    for form in FORMS.values():
        form.read(header_of(data))
    der = bytearray(_DER)
    for place in range(0, min(len(data) - 2, 3 * MOST_CHANGES), 3):
        der[int.from_bytes(data[place : place + 2], "big") % len(der)] = data[place + 2]
    read = certificates.read_certificate(f":{base64.b64encode(der).decode()}:")
    if read is None:
        return
    holds(len(certificates.thumbprint_of(read)) == 43, data)
    holds(isinstance(certificates.is_valid_at(read, NOW), bool), data)
    for field in SUBJECT_FIELDS:
        holds(isinstance(certificates.has_subject(read, {field: text_of(data)}), bool), data)
    certificates.is_among(read, {"keys": [{"kty": "EC", "x5c": [base64.b64encode(der).decode()]}, {"kty": "EC"}]})


def subject(data: bytes) -> None:
    """Check that a text is accepted as a certificate's subject, or refused, without an exception."""
    for field in SUBJECT_FIELDS:
        holds(isinstance(certificates.is_subject(field, text_of(data)), bool), data)
