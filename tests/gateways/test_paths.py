"""Another spelling of a path does not pass a gateway that refuses the path itself."""

import secrets
import socket
from collections.abc import Iterator

import pytest

from tests.gateways.conftest import APP, Shop
from tests.gateways.programs import Gateway, Upstream, running

METRICS = (
    "/metrics",
    "/%6detrics",
    "/metric%73",
    "/%6D%65%74%72%69%63%73",
    "//metrics",
    "/%2fmetrics",
    "/%2Fmetrics",
    "/./metrics",
    "/x/../metrics",
    "/%2e/metrics",
    "/x/%2e%2e/metrics",
    "/metrics/",
    "/metrics/.",
    "/metrics/x/..",
    "/metrics%2f",
    "/metrics%00",
    "/metrics%20",
    "/metrics%0a",
    "/metrics.",
    "/metrics;x",
    "/metrics#x",
    "/metrics%23x",
    "/%256detrics",
    "\\metrics",
    "/%5cmetrics",
    "/oauth/forward-auth/../../metrics",
    "/oauth/forward-auth/..%2f..%2fmetrics",
    "http://elsewhere.example/metrics",
    "/METRICS",
)
INTERNAL = ("/_latchkey", "/%5flatchkey", "//_latchkey", "/x/../_latchkey", "/./_latchkey", "/_latchkey#x", "/local")
ODD = ("//orders", "/%6frders", "/x/../orders", "/orders%2f", "/orders#x", "/local/../orders", "/%6cocal/orders")


def answer_to(port: int, method: str, target: str) -> bytes:
    """Return the response to a request target that no HTTP library would send."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            f"{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode()
        )
        pieces = iter(lambda: connection.recv(65_536), b"")
        return b"".join(pieces)


def port_of(gateway: Gateway) -> int:
    return gateway.http.base_url.port or 80


@pytest.fixture(scope="module")
def balancer(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The recipe of HAProxy in front of the server."""
    values = {"LATCHKEY": shop.admin.server.url.removeprefix("http://")}
    with running("haproxy", tmp_path_factory.mktemp("balancer") / secrets.token_hex(4), values) as started:
        yield started


@pytest.mark.contract("a path has one form, any other is 404")
@pytest.mark.spec("RFC 3986 §6.2.2")
@pytest.mark.parametrize("target", METRICS)
def test_no_spelling_of_the_metrics_passes_the_balancer(balancer: Gateway, target: str) -> None:
    for method in ("GET", "HEAD", "POST", "get"):
        heard = answer_to(port_of(balancer), method, target)
        assert b"latchkey_" not in heard and not heard.startswith(b"HTTP/1.1 2"), (method, heard[:80])


def test_the_balancer_forwards_the_public_paths(balancer: Gateway) -> None:
    assert balancer.http.get("/healthz").status_code == 200
    for path in ("/oauth/forward-auth/metrics", "/oauth/forward-auth//x/..%2f%00"):
        heard = answer_to(port_of(balancer), "GET", f"{path}?resource=https://orders.example")
        assert heard.startswith(b"HTTP/1.1 401"), heard[:80]


def test_a_preflight_passes_the_balancer(balancer: Gateway) -> None:
    for origin, status in ((APP, 204), ("https://evil.example", 405)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = balancer.http.options("/oauth/token", headers=headers)
        allowed = answer.headers.get_list("Access-Control-Allow-Origin")
        assert (answer.status_code, allowed) == (status, [APP] if status == 204 else [])


@pytest.mark.contract("a path has one form, any other is 404")
@pytest.mark.parametrize("target", [*INTERNAL, *ODD])
def test_no_spelling_reaches_the_api_without_a_credential(gateway: Gateway, upstream: Upstream, target: str) -> None:
    for method in ("GET", "POST", "OPTIONS", "HEAD", "FOO", "get"):
        heard = answer_to(port_of(gateway), method, target)
        assert not heard.startswith(b"HTTP/1.1 2"), (method, heard[:80])
    assert upstream.seen == []
