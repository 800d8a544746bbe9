"""Discovery: the metadata and the JWK set."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.oauth.wire import GRANT, ISSUER, ORDERS, Wire, refused

WELL_KNOWN = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


@pytest.mark.spec("RFC 8414 §2")
def test_it_names_endpoints_methods_and_algorithms(wire: Wire) -> None:
    told: Any = wire.http.get(WELL_KNOWN).json
    assert told["issuer"] == ISSUER
    for endpoint, more in {"token": ["none"], "introspection": [], "revocation": ["none"]}.items():
        assert told[f"{endpoint}_endpoint_auth_methods_supported"] == METHODS + more
        algorithms = told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]
        assert algorithms == ["ES256", "RS256", "PS256", "EdDSA"]
    assert told["introspection_signing_alg_values_supported"] == ["ES256"]


@pytest.mark.spec("RFC 8414 §2")
@pytest.mark.spec("RFC 9207 §3")
@pytest.mark.spec("RFC 8628 §4")
def test_it_says_how_an_app_is_authorized_and_nothing_of_the_apis(wire: Wire) -> None:
    told: Any = wire.http.get(WELL_KNOWN).json
    assert told["authorization_endpoint"] == f"{ISSUER}/oauth/authorize"
    assert told["device_authorization_endpoint"] == f"{ISSUER}/oauth/device_authorization"
    assert told["response_types_supported"] == ["code"] and told["response_modes_supported"] == ["query"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert told["authorization_response_iss_parameter_supported"] is True
    assert set(told["grant_types_supported"]) >= {"authorization_code", "refresh_token", "client_credentials"}
    assert "scopes_supported" not in told and "orders" not in str(told)


@pytest.mark.contract("the same metadata as `openid-configuration`, in both places of an issuer with a path")
@pytest.mark.spec("RFC 8414 §3.1")
@pytest.mark.parametrize(
    ("issuer", "path"), [("https://login.example/auth", "/auth"), ("https://x.example/a/b", "/a/b")]
)
def test_an_issuer_with_a_path_is_found_in_both_places(own_wire: Callable[..., Wire], issuer: str, path: str) -> None:
    wire = own_wire(issuer=issuer)
    places = [f"{known}{path}" for known in (WELL_KNOWN, OPENID)] + [f"{path}{known}" for known in (WELL_KNOWN, OPENID)]
    for url in (*places, WELL_KNOWN, OPENID):
        told: Any = wire.http.get(url).json
        assert told["issuer"] == issuer
        assert all(value.startswith(issuer) for name, value in told.items() if name.endswith(("_endpoint", "_uri")))
    wrong = [f"{known}{rest}" for known in (WELL_KNOWN, OPENID) for rest in ("/other", f"{path}/more", "/")]
    for url in wrong:
        assert wire.http.get(url).status_code == 404
    assert wire.http.get(f"{path}/.well-known/jwks.json").json == wire.http.get("/.well-known/jwks.json").json


@pytest.mark.spec("RFC 7523 §3")
def test_an_assertion_for_the_endpoint_under_the_path_is_taken(own_wire: Callable[..., Wire]) -> None:
    wire = own_wire(issuer="https://login.example/auth")
    for url in ("/oauth/token", "/auth/oauth/token"):
        form = GRANT | {"resource": ORDERS} | wire.assertion(aud="https://login.example/auth/oauth/token")
        assert wire.http.post(url, data=form).status_code == 200
        form = GRANT | wire.assertion(aud="https://login.example/oauth/token")
        refused(wire.http.post(url, data=form), 401, "invalid_client")


@pytest.mark.spec("RFC 8414 §3")
@pytest.mark.parametrize("path", [WELL_KNOWN, OPENID, "/.well-known/jwks.json"])
def test_it_is_read_and_nothing_else(wire: Wire, path: str) -> None:
    assert wire.http.get(path).headers["Cache-Control"] == "public, max-age=300"
    assert wire.http.head(path).status_code == 200 and wire.http.head(path).data == b""
    refused(wire.http.post(path), 405, "invalid_request")


@pytest.mark.spec("RFC 7517 §4")
def test_the_keys_are_public_and_named(wire: Wire) -> None:
    told: Any = wire.http.get("/.well-known/jwks.json").json
    for key in told["keys"]:
        assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
        assert (key["use"], key["alg"]) == ("sig", "ES256")


@pytest.mark.contract("the same metadata as `openid-configuration`, in both places of an issuer with a path")
@pytest.mark.spec("RFC 8414 §5")
def test_who_knows_the_openid_name_alone_finds_the_same_document(wire: Wire) -> None:
    told: Any = wire.http.get(WELL_KNOWN).json
    openid: Any = wire.http.get(OPENID).json
    more = {"subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"]}
    assert openid == told | more
