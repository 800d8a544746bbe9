"""RFC 8414: the server describes itself."""

from pathlib import Path

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from tests.api import Admin, Json, expect
from tests.live import LiveServer

WELL_KNOWN = "/.well-known/oauth-authorization-server"
METHODS = {"client_secret_basic", "client_secret_post", "private_key_jwt"}
ALGORITHMS = {"ES256", "RS256", "PS256", "EdDSA"}
BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
OF_USERS = {"authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"}
GRANTS = {"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange", BEARER} | OF_USERS


def metadata(admin: Admin, path: str = "") -> Json:
    response = expect(200, admin.http.get(WELL_KNOWN + path))
    assert response.headers["Content-Type"].split(";")[0] == "application/json"
    body: Json = response.json()
    return body


@pytest.mark.asvs("RFC 9700 §2.6")
@pytest.mark.spec("RFC 8414 §3.3")
def test_the_issuer_is_the_one_asked(admin: Admin) -> None:
    assert metadata(admin)["issuer"] == admin.issuer


@pytest.mark.asvs("10.4.4")
@pytest.mark.contract("metadata, also for an issuer with a path")
@pytest.mark.spec("RFC 8414 §2")
def test_it_names_what_the_contract_offers(admin: Admin) -> None:
    told, issuer = metadata(admin), admin.issuer
    assert told["token_endpoint"] == f"{issuer}/oauth/token"
    assert told["introspection_endpoint"] == f"{issuer}/oauth/introspect"
    assert told["revocation_endpoint"] == f"{issuer}/oauth/revoke"
    assert told["jwks_uri"] == f"{issuer}/.well-known/jwks.json"
    assert set(told["grant_types_supported"]) == GRANTS
    assert told["response_types_supported"] == ["code"] and told["code_challenge_methods_supported"] == ["S256"]
    for endpoint in ("token", "introspection", "revocation"):
        assert set(told[f"{endpoint}_endpoint_auth_methods_supported"]) >= METHODS
        assert set(told[f"{endpoint}_endpoint_auth_signing_alg_values_supported"]) >= ALGORITHMS


@pytest.mark.spec("RFC 8414 §2")
def test_nothing_is_null_or_empty_but_response_types(admin: Admin) -> None:
    told = metadata(admin)
    assert [name for name, value in told.items() if value in (None, [], "")] in ([], ["response_types_supported"])


@pytest.mark.contract("metadata, also for an issuer with a path")
@pytest.mark.spec("RFC 8414 §2")
def test_authlib_finds_it_valid(admin: Admin) -> None:
    told = metadata(admin)
    told["issuer"] = "https" + told["issuer"].removeprefix("http")  # RFC 8414 §2 wants https; loopback is the exception
    for name, value in told.items():
        if isinstance(value, str) and value.startswith("http://"):
            told[name] = "https" + value.removeprefix("http")
    told["response_types_supported"] = told["response_types_supported"] or ["none"]  # Authlib refuses an empty list
    AuthorizationServerMetadata(told).validate()


@pytest.mark.contract("metadata, also for an issuer with a path")
@pytest.mark.spec("RFC 8414 §3.1")
def test_an_issuer_with_a_path_answers_where_section_3_1_says(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "instance")
    server.settings["issuer"] = f"{server.url}/auth"
    try:
        admin = Admin(server.start())
        told = metadata(admin, "/auth")
        assert told["issuer"] == admin.issuer == f"{server.url}/auth"
        assert told["token_endpoint"] == f"{server.url}/auth/oauth/token"
        assert told["jwks_uri"] == f"{server.url}/auth/.well-known/jwks.json"
        assert metadata(admin) == told
        form = {"grant_type": "client_credentials", "resource": admin.identifier}
        answer = expect(200, admin.http.post(told["token_endpoint"], data=form, auth=admin.bootstrap_client.basic))
        bearer = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        expect(200, admin.http.get(f"{admin.identifier}/roles", headers=bearer))
        assert expect(200, admin.http.get(told["jwks_uri"])).json()["keys"]
    finally:
        server.kill()


@pytest.mark.spec("RFC 8414 §3.1")
def test_another_issuers_metadata_is_not_here(admin: Admin) -> None:
    assert admin.http.get(f"{WELL_KNOWN}/elsewhere").status_code == 404
