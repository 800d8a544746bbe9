"""Which request a gateway asks about, as its headers say."""

import pytest
from werkzeug.datastructures import Headers

from app.oauth.original_request import read_original_request


@pytest.mark.spec("RFC 6455 §4.1")
@pytest.mark.parametrize(("scheme", "meant"), [("wss", "https"), ("ws", "http"), ("WSS", "https"), ("https", "https")])
def test_the_scheme_of_a_websocket_is_that_of_its_handshake(scheme: str, meant: str) -> None:
    forwarded = {"Method": "GET", "Proto": scheme, "Host": "api.example", "Uri": "/chat?x=1"}
    wanted = ("GET", f"{meant}://api.example/chat?x=1")
    by_traefik = Headers({f"X-Forwarded-{name}": value for name, value in forwarded.items()})
    by_nginx = Headers({"X-Original-Method": "GET", "X-Original-URL": f"{scheme}://api.example/chat?x=1"})
    assert read_original_request(by_traefik) == read_original_request(by_nginx) == wanted
    assert read_original_request(Headers([*by_traefik, *by_nginx])) == wanted
