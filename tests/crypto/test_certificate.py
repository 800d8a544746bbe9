"""A certificate that cannot be read is ignored, whatever is wrong with it (RFC 8705 §2)."""

import base64
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from app.crypto.certificate import SUBJECT_FIELDS, has_subject, is_among, is_valid_at, read_certificate

NOW = datetime(2030, 1, 1, tzinfo=UTC)
VERSION = bytes.fromhex("a003020102")  # [0] INTEGER 2, that is version 3


@pytest.fixture(scope="module")
def der() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a client")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
    for extension in (
        x509.SubjectAlternativeName([x509.DNSName("a.example")]),
        x509.IssuerAlternativeName([x509.DNSName("b.example")]),
    ):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def header_value(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


def pem(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()


def test_a_certificate_of_an_unknown_version_is_refused(der: bytes) -> None:
    odd = der.replace(VERSION, VERSION[:-1] + b"\x2a")
    assert read_certificate(header_value(der)) is not None and odd != der
    assert read_certificate(header_value(odd)) is None


def test_registered_with_such_a_version_it_is_not_among_them(der: bytes) -> None:
    presented = read_certificate(header_value(der))
    odd = base64.b64encode(der.replace(VERSION, VERSION[:-1] + b"\x2a")).decode()
    assert presented is not None
    assert not is_among(presented, {"keys": [{"kty": "EC", "x5c": [odd]}]})


@pytest.mark.parametrize("field", [field for field in SUBJECT_FIELDS if "_san_" in field])
def test_an_extension_that_comes_twice_names_nobody(der: bytes, field: str) -> None:
    of_subject, of_issuer = bytes.fromhex("0603551d11"), bytes.fromhex("0603551d12")
    presented = read_certificate(header_value(der.replace(of_issuer, of_subject)))
    assert of_issuer in der and presented is not None
    assert not has_subject(presented, {field: "192.0.2.1" if field.endswith("ip") else "a.example"})


@pytest.mark.spec("RFC 9440 §2.1")
def test_a_pem_is_read_whatever_a_proxy_puts_for_its_line_breaks(der: bytes) -> None:
    text = pem(der)
    for one in (quote(text), quote(text.strip()), text.replace("\n", " "), quote(text.replace("\n", "\r\n"))):
        assert read_certificate(one) == x509.load_der_x509_certificate(der)


@pytest.mark.spec("RFC 9440 §2.2")
def test_one_certificate_is_read_and_nothing_beside_it(der: bytes) -> None:
    text, one = pem(der), header_value(der)
    joined = (f"{quote(text)}, {quote(text)}", f"{quote(text)},{one}", f"{one},{quote(text)}", f"{one},{one}")
    around = (f"Subject: CN=x\n{text}", f"{text}CN=x", f"{text},", f"{text}\0", f"\xff{text}", text + text)
    for several in (*joined, *map(quote, around), header_value(der + b"x"), f"{one};a=b"):
        assert read_certificate(several) is None, several


def test_a_certificate_with_an_impossible_year_is_never_valid(der: bytes) -> None:
    begins, year_0 = b"\x18\x0f20500101000000Z", b"\x18\x0f00000101000000Z"  # GeneralizedTime
    late = _dated(datetime(2050, 1, 1, tzinfo=UTC))
    assert begins in late
    good, odd = (read_certificate(header_value(one)) for one in (late, late.replace(begins, year_0)))
    assert good is not None and is_valid_at(good, datetime(2050, 1, 1, 12, tzinfo=UTC))
    assert odd is None or not is_valid_at(odd, datetime(2050, 1, 1, 12, tzinfo=UTC))


def _dated(begins: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, begins, begins + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
