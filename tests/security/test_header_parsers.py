"""What proxies write and strangers imitate: certificates and X-Forwarded-For are read or are nothing, never a failure.

`shapes_of` makes hostile spellings of any valid value: a further form of a header needs one line in READERS.
"""

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from app.crypto.certificate import MAX_CERTIFICATE_LENGTH, read_certificate
from app.http.peer import LONGEST_HOP, MOST_HOPS, walk_back

QUICK = settings(max_examples=200, deadline=None)
NOW = datetime(2030, 1, 1, tzinfo=UTC)
PROXY, STRANGER = "10.0.0.1", "192.0.2.7"
Reader = Callable[[str], x509.Certificate | None]


def _certificate() -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a client")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 7, NOW, NOW + timedelta(days=1))
    return builder.sign(key, hashes.SHA256())


CERTIFICATE = _certificate()
PEM = CERTIFICATE.public_bytes(Encoding.PEM).decode()
DER = base64.b64encode(CERTIFICATE.public_bytes(Encoding.DER)).decode()
READERS: list[tuple[Reader, str]] = [
    (read_certificate, quote(PEM)),
    (read_certificate, PEM),
    (read_certificate, f":{DER}:"),
]
hostile = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=40)
pieces = st.sampled_from(
    [
        "-----BEGIN CERTIFICATE-----",
        "-----END CERTIFICATE-----",
        "%0A",
        "\n",
        ":",
        "=",
        "%",
        ",",
        ";",
        '"',
        "\\",
        " ",
        PEM,
        DER,
    ]
)


def shapes_of(valid: str) -> st.SearchStrategy[str]:
    """Return strings near a valid one: cut, repeated, with pieces of it and of others put in anywhere."""

    def spoil(at: int, what: str, kept: int) -> str:
        return valid[: at % (len(valid) + 1)] + what + valid[kept % (len(valid) + 1) :]

    spoilt = st.builds(spoil, st.integers(0, 5_000), st.one_of(pieces, hostile), st.integers(0, 5_000))
    return st.one_of(spoilt, hostile, st.lists(pieces, max_size=8).map("".join), st.just(f"{valid},{valid}"))


@pytest.mark.contract("a proxy's certificates and `X-Forwarded-For` are read or ignored, never half read")
@pytest.mark.spec("RFC 9440 §2.1")
@pytest.mark.parametrize(("read", "valid"), READERS)
@QUICK
@given(data=st.data())
def test_a_certificate_header_is_that_certificate_or_none(read: Reader, valid: str, data: Any) -> None:
    assert read(valid) == CERTIFICATE
    text = data.draw(shapes_of(valid))
    found = read(text)
    assert found is None or isinstance(found, x509.Certificate)
    assert found is None or text.count("BEGIN") <= 1  # two of them are none (RFC 9440 §2.2)


@pytest.mark.parametrize(("read", "valid"), READERS)
@pytest.mark.parametrize("filler", ["A", " ", "\n", "%0A", "=", "-----BEGIN CERTIFICATE-----", "-"])
def test_one_that_is_too_long_is_none(read: Reader, valid: str, filler: str) -> None:
    assert read(filler * MAX_CERTIFICATE_LENGTH) is None
    middle = len(valid) // 2
    assert read(valid[:middle] + filler * MAX_CERTIFICATE_LENGTH + valid[middle:]) is None


addresses = st.one_of(
    st.ip_addresses().map(str),
    st.ip_addresses(v=4).map(lambda one: f"{one}:443"),
    st.ip_addresses(v=6).map(lambda one: f"[{one}]:443"),
    st.ip_addresses(v=6).map(lambda one: f"{one}%eth0"),
    st.sampled_from(
        ["unknown", "_hidden", "", "for=192.0.2.1", "::ffff:10.0.0.1", "10.0.0.1:99999", "1" * 400, "[" * 200]
    ),
    hostile,
)
chains = st.lists(addresses, max_size=12).map(", ".join)


def is_proxy(peer: Any) -> bool:
    return bool(peer == ip_address(PROXY))


@pytest.mark.contract("a proxy's certificates and `X-Forwarded-For` are read or ignored, never half read")
@pytest.mark.spec("RFC 9110 §5.6.1")
@QUICK
@given(chain=chains)
def test_a_stranger_writes_no_other_address_than_their_own(chain: str) -> None:
    stranger = ip_address(STRANGER)
    assert walk_back(STRANGER, chain, is_proxy) == stranger
    for told in (STRANGER, f"{STRANGER}:443", f" {STRANGER} ,,", f"{STRANGER}, {PROXY}"):
        assert walk_back(PROXY, f"{chain}, {told}", is_proxy) == stranger


@QUICK
@given(chain=chains, sender=addresses)
def test_a_chain_leads_to_an_address_or_to_none(chain: str, sender: str) -> None:
    found = walk_back(sender, chain, lambda _: True)
    assert found is None or str(ip_address(str(found))) == str(found)


@pytest.mark.contract("a proxy's certificates and `X-Forwarded-For` are read or ignored, never half read")
def test_an_endless_chain_of_proxies_is_walked_no_further_than_any_real_one() -> None:
    asked: list[Any] = []

    def is_trusted(peer: Any) -> bool:
        asked.append(peer)
        return True

    assert walk_back(PROXY, f"{PROXY}," * 40_000 + PROXY, is_trusted) == ip_address(PROXY)
    assert len(asked) <= MOST_HOPS + 1
    assert walk_back(PROXY, "1" * (LONGEST_HOP + 1), is_trusted) == ip_address(PROXY)
