"""Which redirect URIs are registered, and which one a request means."""

import string
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.actions.trust.redirect_uris import checked_redirect_uri, checked_redirect_uris, matches
from app.errors import Invalid

GOOD = (
    "https://app.example/callback",
    "https://app.example",
    "https://app.example:8443/callback?tenant=1",
    "https://[2001:db8::1]/callback",
    "http://127.0.0.1/callback",
    "http://127.0.0.1:51004/callback",
    "http://[::1]:51004/callback",
    "http://localhost:3000/callback",
    "com.example.app:/callback",
    "com.example.app://callback",
)
BAD = {
    "userinfo": "https://app.example@evil.example/callback",
    "userinfo with a password": "https://app.example:443@evil.example/callback",
    "userinfo behind a backslash": "https://app.example\\@evil.example/callback",
    "an escaped host": "https://%61pp.example/callback",
    "an escaped at sign": "https://app.example%40evil.example/callback",
    "a broken escape": "https://app.example/%zz",
    "a fragment": "https://app.example/callback#here",
    "an empty fragment": "https://app.example/callback#",
    "a trailing dot": "https://app.example./callback",
    "an empty label": "https://app..example/callback",
    "no host": "https:///callback",
    "one slash": "https:/app.example/callback",
    "no scheme": "//app.example/callback",
    "a path": "/callback",
    "nothing": "",
    "an empty port": "https://app.example:/callback",
    "a port too high": "https://app.example:65536/callback",
    "a port that is a word": "https://app.example:https/callback",
    "an open bracket": "https://[::1/callback",
    "http elsewhere": "http://app.example/callback",
    "http on a host that begins as loopback": "http://127.0.0.1.evil.example/callback",
    "http on localhost of another": "http://localhost.evil.example/callback",
    "http on a short address": "http://127.1/callback",
    "http on a number": "http://2130706433/callback",
    "http on mapped IPv6": "http://[::ffff:127.0.0.1]/callback",
    "a wildcard host": "https://*.app.example/callback",
    "a wildcard path": "https://app.example/*",
    "a dot segment": "https://app.example/callback/../evil",
    "an escaped dot segment": "https://app.example/callback/%2e%2E/evil",
    "a dot segment behind an escaped slash": "https://app.example/callback/..%2fevil",
    "a dot segment of a private-use scheme": "com.example.app:/a/../b",
    "a space": "https://app.example/call back",
    "a control character": "https://app.example/\r\nSet-Cookie: a=b",
    "another alphabet": "https://аpp.example/callback",
    "a scheme without a dot": "myapp:/callback",
    "a host and its port": "app.example:8080/callback",
    "a script": "javascript:alert(1)",
    "data": "data:text/html,hello",
    "out of band": "urn:ietf:wg:oauth:2.0:oob",
    "too long": "https://app.example/" + "a" * 2000,
}
PARTS = (
    *("https://", "http://", "com.example.app:/", "javascript:", "app.example", "evil.example", "127.0.0.1", "[::1]"),
    *("localhost", "8080", "callback", "@", ":", "/", "//", "\\", "?", "#", "%2e", "%2F", "%40", ".", "..", "*", " "),
    *("\t", "\n", "é"),
)
TEXTS = st.lists(st.sampled_from(PARTS), max_size=9).map("".join) | st.text(max_size=30)


def is_good(text: str) -> bool:
    try:
        return checked_redirect_uri(text) == text
    except Invalid as error:
        return [one.field for one in error.errors] != ["redirect_uris"]


@pytest.mark.spec("RFC 8252 §7")
@pytest.mark.parametrize("uri", GOOD)
def test_an_app_registers_https_loopback_or_a_scheme_of_its_own(uri: str) -> None:
    assert is_good(uri)


@pytest.mark.spec("RFC 9700 §4.1")
@pytest.mark.parametrize("name", BAD)
def test_a_uri_that_may_mislead_is_refused(name: str) -> None:
    assert not is_good(BAD[name])


@given(TEXTS)
def test_whatever_is_accepted_has_one_reading(text: str) -> None:
    if not is_good(text):
        return
    parts = urlsplit(text)
    assert text.isascii() and text.isprintable() and " " not in text
    assert not {"#", "*", "\\"} & set(text) and "@" not in parts.netloc and "%" not in parts.netloc
    assert parts.scheme == "https" or "." in parts.scheme or parts.hostname in ("127.0.0.1", "::1", "localhost")
    assert not {".", ".."} & set(parts.path.split("/"))


def test_each_uri_is_kept_once_and_there_are_at_most_fifty() -> None:
    assert checked_redirect_uris([*GOOD, *GOOD]) == list(GOOD)
    many = [f"https://app.example/{number}" for number in range(51)]
    assert checked_redirect_uris(many[:50]) == many[:50]
    with pytest.raises(Invalid, match="at most 50"):
        checked_redirect_uris(many)


# --- which one a request means


@pytest.mark.spec("RFC 6749 §3.1.2.3")
def test_the_only_registered_uri_may_be_left_out() -> None:
    assert matches(["https://app.example/callback"], None) == "https://app.example/callback"
    assert matches(GOOD, None) is None
    assert matches([], None) is None


@pytest.mark.spec("RFC 9700 §2.1")
@given(st.sampled_from(GOOD), st.integers(0, 60), st.sampled_from(string.printable), st.booleans())
def test_a_uri_with_any_other_character_does_not_match(uri: str, place: int, character: str, inserted: bool) -> None:
    place = min(place, len(uri))
    asked = uri[:place] + character + uri[place + (0 if inserted else 1) :]
    found = matches([uri], asked)
    if asked == uri:
        assert found == uri
    elif found is not None:  # only the port of loopback is free
        assert uri.startswith("http://") and found == asked
        was, now = urlsplit(uri), urlsplit(asked)
        assert (now.scheme, now.hostname, now.path, now.query) == (was.scheme, was.hostname, was.path, was.query)


@given(st.sampled_from(GOOD), TEXTS)
def test_nothing_else_matches(uri: str, asked: str) -> None:
    assert asked == uri or matches([uri], asked) is None or uri.startswith("http://")


@pytest.mark.parametrize("name", BAD)
def test_a_misleading_uri_never_matches(name: str) -> None:
    assert matches(GOOD, BAD[name]) is None


@pytest.mark.parametrize(
    "asked",
    [
        "https://APP.example/callback",
        "HTTPS://app.example/callback",
        "https://app.example:443/callback",
        "https://app.example./callback",
        "https://app.example/callback/",
        "https://app.example/callback?",
        "https://app.example/Callback",
        "https://app.example/%63allback",
        "https://app.example:9443/callback",
        "http://app.example/callback",
        "com.example.App:/callback",
    ],
)
def test_an_equivalent_uri_is_another_one(asked: str) -> None:
    assert matches(GOOD, asked) is None


@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_on_loopback_the_port_is_free(host: str) -> None:
    registered = [f"http://{host}/callback"]
    for port in ("", ":1", ":8080", ":65535"):
        assert matches(registered, f"http://{host}{port}/callback") == f"http://{host}{port}/callback"
        assert matches([f"http://{host}:3000/callback"], f"http://{host}{port}/callback") is not None
    for port in (":", ":65536", ":99999", ":80a", ":-1", ":8080:1", ":80@evil.example", ":٨"):
        assert matches(registered, f"http://{host}{port}/callback") is None
    assert matches(registered, f"https://{host}/callback") is None
    assert matches(registered, f"http://{host}:80/other") is None


@pytest.mark.spec("RFC 8252 §8.3")
def test_one_loopback_host_is_not_another() -> None:
    for registered, asked in (("127.0.0.1", "localhost"), ("localhost", "[::1]"), ("[::1]", "127.0.0.1")):
        assert matches([f"http://{registered}/"], f"http://{asked}:80/") is None
