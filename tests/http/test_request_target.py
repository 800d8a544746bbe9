"""A path has one form: any other is 404 before a route is chosen, and methods are case-sensitive."""

import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

from app.http.request_target import is_normal
from tests.oauth.wire import Wire, start_wire, stop_wire

ROUTES = ("/metrics", "/healthz", "/login", "/.well-known/jwks.json", "/api/docs", "/api/v1/openapi.json")


@pytest.fixture(scope="module")
def wire(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("paths"), issuer="https://login.example/auth")
    yield made
    stop_wire(made)


def spellings(path: str) -> list[str]:
    """Return what other readers of a URL take for the same decoded path."""
    last = path.rpartition("/")[2]
    doubled = path.replace("/", "//"), f"/{path}", f"{path}//", f"{path}/"
    dotted = f"/.{path}", f"/x/..{path}", f"{path}/.", f"{path}/x/..", f"{path}.", f"{path}/..{path}", f"/..{path}"
    strange = f"{path}\\", f"\\{path}", path.replace("/", "\\"), f"{path}\0", f"{path}\n", f"{path} ", f"{path}\x7f"
    foreign = f"{path}%", f"{path}%20", f"{path};x", f"{path}\xe9", f"{path}\xff", path[:-1] + f"%{ord(last[-1]):x}"
    return [*doubled, *dotted, *strange, *foreign]


def status(app: Flask, path: str, **environ: Any) -> int:
    """Request a decoded path as a WSGI server passes it, without the target as it was sent."""
    client = app.test_client()
    asked: dict[str, Any] = {"REQUEST_URI": "", "RAW_URI": ""} | environ
    return client.get("/", environ_overrides={"PATH_INFO": path} | asked).status_code


@pytest.mark.contract("a path has one form, any other is 404")
@pytest.mark.spec("RFC 3986 §6.2.2")
@pytest.mark.parametrize("prefix", ["", "/auth"])
@pytest.mark.parametrize("path", ROUTES)
def test_every_other_spelling_is_not_found(wire: Wire, path: str, prefix: str) -> None:
    app: Any = wire.http.application
    assert status(app, prefix + path) == 200
    assert {spelt: status(app, prefix + spelt) for spelt in spellings(path)} == dict.fromkeys(spellings(path), 404)
    assert status(app, f"/{prefix}{path}") == 404


@pytest.mark.spec("RFC 3986 §6.2.2.2")
@pytest.mark.parametrize("name", ["REQUEST_URI", "RAW_URI"])
def test_a_needless_escape_is_not_found_where_the_target_is_known(wire: Wire, name: str) -> None:
    app: Any = wire.http.application
    for sent in ("/metrics", "/metrics?x=%6d", "http://login.example/metrics?y", "/auth/metrics"):
        assert status(app, "/metrics", **{name: sent}) == 200
    for sent in ("/%6detrics", "/metric%73", "/%2fmetrics", "http://login.example/%6detrics", "/%61uth/metrics"):
        assert status(app, "/metrics", **{name: sent}) == 404


@given(st.text(alphabet="/.ax%\\;~:\0é ", max_size=12).map(lambda rest: f"/{rest}"))
def test_what_is_routed_is_its_own_normal_form(path: str) -> None:
    if is_normal(path):
        assert posixpath.normpath(path) == path and path.isascii() and not set(path) & set("%\\;\0 ")


def test_the_issuers_path_and_the_name_of_a_permission_are_checked_by_their_routes(tmp_path: Path) -> None:
    for name in ("https://x.example/a//b", "a/../b", "a%2fb;c", "a.", "a/."):
        assert is_normal(f"/api/v1/resources/res_1/permissions/{name}")
        assert not is_normal(f"/api/v1/resources/res_1//permissions/{name}")
    wire = start_wire(tmp_path, issuer="https://login.example/%C3%A9/b%20c")
    app: Any = wire.http.application
    for document in ("oauth-authorization-server", "openid-configuration"):
        decoded = "/é/b c".encode().decode("latin-1")
        assert status(app, f"/.well-known/{document}{decoded}") == 200
        assert status(app, f"{decoded}/.well-known/{document}") == 200
        assert status(app, f"/.well-known/{document}/{decoded}") == 404
    stop_wire(wire)


@pytest.mark.spec("RFC 9110 §9.1")
def test_a_method_in_small_letters_is_another_method(wire: Wire) -> None:
    for method, path in (("get", "/metrics"), ("post", "/oauth/token"), ("Get", "/healthz"), ("head", "/healthz")):
        answer = wire.http.open(path, environ_overrides={"REQUEST_METHOD": method})
        assert answer.status_code == 405 and answer.headers["Allow"], method


@pytest.mark.spec("RFC 9110 §7.8")
@pytest.mark.parametrize("path", ROUTES)
def test_an_offer_of_another_protocol_is_ignored(wire: Wire, path: str) -> None:
    for protocol in ("websocket", "WebSocket", "h2c", "websocket, h2c"):
        answer = wire.http.get(path, headers={"Connection": "keep-alive, Upgrade", "Upgrade": protocol})
        assert answer.status_code == 200, protocol
