"""Each proxy's form of a client's certificate is read exactly, within bounds, and only the leaf counts."""

import base64
import hashlib
import string
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from urllib.parse import quote, quote_plus

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.crypto.certificate import MAX_CERTIFICATE_LENGTH
from app.crypto.certificate_header import BEGIN, END, FORMS, read_xfcc

NOW = datetime(2030, 1, 1, tzinfo=UTC)
PROXIES = tuple(FORMS)
each_proxy = pytest.mark.parametrize("proxy", PROXIES)


@cache
def certificate(name: str, san: str = "") -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 7, NOW, NOW + timedelta(days=1))
    if san:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(san)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256())


def pem(one: x509.Certificate) -> str:
    return one.public_bytes(Encoding.PEM).decode()


def der(one: x509.Certificate) -> bytes:
    return one.public_bytes(Encoding.DER)


def bare(one: x509.Certificate) -> str:
    """Return a PEM as Traefik sends it: without its first and last line, and without line breaks."""
    return pem(one).replace(BEGIN, "").replace(END, "").replace("\n", "")


def digest(one: x509.Certificate) -> str:
    return hashlib.sha256(der(one)).hexdigest()


def element(one: x509.Certificate, *more: str) -> str:
    """Return an element of XFCC as Envoy writes it."""
    cert = f'Cert="{quote(pem(one), safe="")}"'
    subject = f'Subject="{one.subject.rfc4514_string()}"'
    return ";".join([f"By=spiffe://mesh/latchkey;Hash={digest(one)}", cert, subject, *more])


LEAF, OTHER = certificate("leaf"), certificate("other")
CHAIN = pem(LEAF) + pem(OTHER)
GOOD: dict[str, dict[str, str]] = {
    "nginx": {"$ssl_client_escaped_cert": quote(pem(LEAF), safe="")},
    "traefik": {
        "a chain": f"{bare(LEAF)},{bare(OTHER)}",
        "one": bare(LEAF),
        "with a space": f"{bare(LEAF)}, {bare(OTHER)}",
        "escaped": quote_plus(bare(LEAF)),
        "an escaped chain": quote_plus(f"{bare(LEAF)},{bare(OTHER)}"),
        "escaped one by one": f"{quote_plus(bare(LEAF))},{quote_plus(bare(OTHER))}",
        "with its lines": f"{quote(pem(LEAF))},{quote(pem(OTHER))}",
    },
    "envoy": {
        "an element": element(LEAF, "URI=spiffe://a/b", "DNS=a.example", "DNS=b.example"),
        "no more than the certificate": f'Cert="{quote(pem(LEAF), safe="")}"',
        "names in small letters": f'hash={digest(LEAF).upper()};cert="{quote(pem(LEAF), safe="")}"',
        "a chain beside it": element(LEAF, f'Chain="{quote(CHAIN, safe="")}"'),
        "a chain alone": f'Hash={digest(LEAF)};Chain="{quote(CHAIN, safe="")}"',
        "a subject with all of it": element(LEAF).replace("CN=leaf", r"CN=a\"b\\,O=c;d=e\, f"),
        "spaces": element(LEAF).replace(";", " ; "),
        "no quotes": f"Hash={digest(LEAF)};Cert={quote(pem(LEAF), safe='')}",
    },
    "alb": {"as documented": quote(pem(LEAF), safe="+=/")},
    "alb-passthrough": {
        "as documented": quote(CHAIN, safe="+=/"),
        "one": quote(pem(LEAF), safe="+=/"),
    },
    "rfc9440": {"a byte sequence": f":{base64.b64encode(der(LEAF)).decode()}:"},
}
BAD: dict[str, dict[str, str]] = {
    "nginx": {
        "two": quote(CHAIN),
        "twice": ",".join([quote(pem(LEAF))] * 2),
        "another form": GOOD["rfc9440"]["a byte sequence"],
    },
    "traefik": {
        "the leaf is none": f"x,{bare(OTHER)}",
        "none": f",{bare(OTHER)}",
        "colons": f":{bare(LEAF)}:",
        "more in it": bare(LEAF) + "AAAA",
    },
    "envoy": {
        "a forged one before": f"{element(OTHER)},{element(LEAF)}",
        "one after": f"{element(LEAF)}, {element(OTHER)}",
        "an empty one": f"{element(LEAF)},",
        "two certificates": element(LEAF, f'Cert="{quote(pem(OTHER), safe="")}"'),
        "two digests": element(LEAF, f"Hash={digest(OTHER)}"),
        "another's digest": element(LEAF).replace(digest(LEAF), digest(OTHER)),
        "an empty digest": element(LEAF).replace(digest(LEAF), ""),
        "no certificate": f"Hash={digest(LEAF)}",
        "an open quote": element(LEAF)[:-1],
        "an escaped end": element(LEAF)[:-1] + r"\"",
        "after a quote": element(LEAF) + "x",
        "no name": f"{element(LEAF)};",
        "no value": f"{element(LEAF)};URI",
    },
    "alb": {"a chain": quote(CHAIN, safe="+=/"), "twice": ",".join([GOOD["alb"]["as documented"]] * 2)},
    "alb-passthrough": {
        "twice": ",".join([GOOD["alb"]["as documented"]] * 2),
        "more before": "x" + GOOD["alb"]["as documented"],
        "more after": GOOD["alb"]["as documented"] + "x",
        "an open one": quote(CHAIN[:-10]),
    },
    "rfc9440": {
        "twice": ",".join([GOOD["rfc9440"]["a byte sequence"]] * 2),
        "a parameter": GOOD["rfc9440"]["a byte sequence"] + ";a=b",
        "another form": quote(pem(LEAF)),
    },
}


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@pytest.mark.spec("RFC 9440 §2.1")
@pytest.mark.parametrize(("proxy", "form"), [(proxy, form) for proxy, forms in GOOD.items() for form in forms])
def test_what_a_proxy_sends_is_read_and_the_leaf_counts(proxy: str, form: str) -> None:
    assert FORMS[proxy].read(GOOD[proxy][form]) == LEAF


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@pytest.mark.spec("RFC 9440 §2.2")
@pytest.mark.parametrize(("proxy", "form"), [(proxy, form) for proxy, forms in BAD.items() for form in forms])
def test_a_value_that_no_proxy_sends_is_not_a_certificate(proxy: str, form: str) -> None:
    assert FORMS[proxy].read(BAD[proxy][form]) is None


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@pytest.mark.parametrize("forged", ["cert", "chain"])
def test_a_name_in_a_certificate_is_never_read_as_a_field(forged: str) -> None:
    """Envoy writes a certificate's URIs as they are: one may hold `;Cert=…` of somebody else."""
    victim = f'{forged}="{quote(pem(LEAF), safe="")}"'
    thief = certificate("thief", f"a:b;{victim}")
    assert read_xfcc(element(thief, f"URI=a:b;{victim}")) in (None, thief)
    assert (
        read_xfcc(f"Hash={digest(thief)};URI=a:b;{victim}") is None
    )  # an Envoy that is configured to send no certificate
    assert read_xfcc(f"Hash={digest(thief)};URI=a:b,Hash={digest(LEAF)};{victim}") is None


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@each_proxy
def test_a_header_is_bounded_before_it_is_read(proxy: str) -> None:
    good = next(iter(GOOD[proxy].values()))
    for filling in (" ", "%20", "A", ",", ";", '\\"', "=", BEGIN, quote(CHAIN), "%", '"', 'A="",', "A=;"):
        began = time.process_time()
        assert FORMS[proxy].read((good + filling * MAX_CERTIFICATE_LENGTH)[: MAX_CERTIFICATE_LENGTH * 3]) is None
        assert FORMS[proxy].read((filling * MAX_CERTIFICATE_LENGTH)[:MAX_CERTIFICATE_LENGTH]) is None
        assert time.process_time() - began < 1


PIECES = (BEGIN, END, bare(LEAF), quote(pem(LEAF)), "Cert=", "Hash=", "Chain=", "Subject=", digest(LEAF), element(LEAF))
LETTERS = ',;="\\:%+/ -\t\0\xff' + string.ascii_letters + string.digits
anything: Callable[[], st.SearchStrategy[str]] = lambda: st.lists(  # noqa: E731 - one line of it
    st.sampled_from(PIECES) | st.text(LETTERS, max_size=8), max_size=12
).map("".join)


@pytest.mark.contract(
    "the header of Traefik, Envoy, ALB, nginx or RFC 9440, by proxy; doctor says when a caller's own arrives"
)
@each_proxy
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_anything_is_the_leaf_or_none(proxy: str, data: st.DataObject) -> None:
    assert FORMS[proxy].read(data.draw(anything())) in (None, LEAF)


@each_proxy
@settings(deadline=None)
@given(data=st.data())
def test_a_changed_character_raises_nothing(proxy: str, data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(sorted(GOOD[proxy].values())))
    place = data.draw(st.integers(0, len(form) - 1))
    found = FORMS[proxy].read(form[:place] + data.draw(st.sampled_from(LETTERS)) + form[place + 1 :])
    assert found is None or found == LEAF or (isinstance(found, x509.Certificate) and found != OTHER)
    assert proxy != "envoy" or digest(LEAF) not in form or found in (None, LEAF)


@settings(deadline=None)
@given(
    before=st.lists(st.tuples(st.sampled_from(["URI", "DNS", "By"]), st.text(LETTERS, max_size=20)), max_size=3),
    subject=st.text(LETTERS, max_size=40),
)
def test_a_quoted_value_of_xfcc_holds_anything(before: list[tuple[str, str]], subject: str) -> None:
    quoted = subject.replace("\\", "\\\\").replace('"', '\\"')
    fields = [
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"' for name, value in before
    ]
    names = [name for name, _ in before]
    text = ";".join([*fields, f"Hash={digest(LEAF)}", f'Subject="{quoted}"', f'Cert="{quote(pem(LEAF), safe="")}"'])
    assert read_xfcc(text) == (None if names.count("By") > 1 else LEAF)
