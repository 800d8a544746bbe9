"""Where the browser goes after the consent page: in words, and as sources of the Content-Security-Policy."""

import pytest

from app.web.authorization.destination import describe_destination, host_of, policy_sources

COMPUTER = "http://127.0.0.1:* http://localhost:* https:"


@pytest.mark.parametrize(
    ("uri", "kind", "name", "sources"),
    [
        ("https://app.example/cb?a=1", "site", "app.example", "https://app.example https:"),
        ("https://app.example:8443/cb", "site", "app.example:8443", "https://app.example:8443 https:"),
        ("http://127.0.0.1:4000/cb", "computer", "127.0.0.1:4000", f"http://127.0.0.1:4000 {COMPUTER}"),
        ("http://localhost/cb", "computer", "localhost", f"http://localhost {COMPUTER}"),
        ("http://[::1]:4000/cb", "computer", "[::1]:4000", f"http://*:4000 {COMPUTER}"),
        ("com.example.app:/cb", "app", "com.example.app:", "com.example.app:"),
        ("com.example.app://cb", "app", "com.example.app:", "com.example.app:"),
        ("https://app.example;script-src/cb", "site", "app.example;script-src", "https://* https:"),
    ],
)
def test_a_place_is_named_and_allowed(uri: str, kind: str, name: str, sources: str) -> None:
    place = describe_destination(uri)
    assert (place.kind, place.name, policy_sources(uri)) == (kind, name, sources)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://app.example/about", "app.example"),
        ("http://app.example:81", "app.example:81"),
        ("https://bank.example@evil.example/", "evil.example"),
        ("javascript:alert(1)//", ""),
        ("", ""),
        (None, ""),
    ],
)
def test_only_a_web_address_has_a_host(address: str | None, host: str) -> None:
    assert host_of(address) == host
