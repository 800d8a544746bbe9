"""Authlib's and requests-oauthlib's sessions, and PyJWT as an API that verifies tokens itself."""

from typing import Any

import jwt
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from oauthlib.oauth2 import BackendApplicationClient
from requests_oauthlib import OAuth2Session as RequestsOAuth2Session

from tests.api import Admin, Json
from tests.contract.world import World, scopes_of
from tests.spec.client_keys import new_key, register

pytestmark = pytest.mark.usefixtures("loopback_without_tls")


def metadata(admin: Admin) -> Json:
    config: Json = admin.http.get("/.well-known/oauth-authorization-server").json()
    return config


@pytest.mark.spec("RFC 6749 §4.4")
@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_authlib_gets_introspects_and_revokes_a_token(world: World, method: str) -> None:
    config = metadata(world.admin)
    client = world.admin.client([world.machine_role], [world.resource])
    with OAuth2Session(*client.basic, token_endpoint_auth_method=method, scope=world.read) as session:
        session.trust_env = False
        token = session.fetch_token(
            config["token_endpoint"], grant_type="client_credentials", resource=world.identifier
        )
        assert token["scope"] == world.read and token["expires_in"] == 3600
        answer = session.introspect_token(config["introspection_endpoint"], token=token["access_token"]).json()
        assert answer["active"] is True and answer["client_id"] == client.client_id
        revoke: Any = session.revoke_token
        assert revoke(config["revocation_endpoint"], token=token["access_token"]).status_code == 200
    assert not world.admin.active(token["access_token"])


@pytest.mark.spec("RFC 7523 §2.2")
def test_authlib_authenticates_with_a_key(world: World) -> None:
    config, key = metadata(world.admin), new_key("RS256")
    client = register(world.admin, key, roles=[world.machine_role["name"]])
    pem = key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with OAuth2Session(client.client_id, pem, token_endpoint_auth_method="private_key_jwt") as session:
        session.trust_env = False
        session.register_client_auth_method(PrivateKeyJWT(config["token_endpoint"]))
        token = session.fetch_token(config["token_endpoint"], grant_type="client_credentials")
    assert scopes_of(token) == {world.read, world.write}


@pytest.mark.spec("RFC 6749 §4.4")
def test_authlibs_session_calls_an_api_with_the_token(world: World) -> None:
    config = metadata(world.admin)
    with OAuth2Session(*world.client.basic) as session:
        session.trust_env = False
        session.fetch_token(config["token_endpoint"], grant_type="client_credentials")
        url = f"{world.admin.server.url}/oauth/forward-auth"
        answer = session.get(url, params={"resource": world.identifier, "scope": world.read})
    assert answer.status_code == 200
    assert answer.headers["X-Auth-Client-Id"] == world.client.client_id


@pytest.mark.spec("RFC 6749 §4.4")
@pytest.mark.parametrize("in_body", [False, True])
def test_requests_oauthlib_gets_a_token(world: World, in_body: bool) -> None:
    config, client = metadata(world.admin), BackendApplicationClient(client_id=world.client.client_id)
    with RequestsOAuth2Session(client=client, scope=[world.read, world.write]) as session:
        session.trust_env = False
        secret = world.client.client_secret
        token = (
            session.fetch_token(config["token_endpoint"], client_secret=secret, include_client_id=True)
            if in_body
            else session.fetch_token(config["token_endpoint"], auth=world.client.basic)
        )
        url = f"{world.admin.server.url}/oauth/forward-auth"
        assert session.get(url, params={"resource": world.identifier}).status_code == 200
    assert set(token["scope"]) == {world.read, world.write}


@pytest.mark.spec("RFC 9068 §4")
def test_pyjwt_verifies_a_token_with_the_published_keys_alone(world: World) -> None:
    config, token = metadata(world.admin), world.issue("m2m").token
    keys = jwt.PyJWKClient(config["jwks_uri"])
    claims = jwt.decode(
        token, keys.get_signing_key_from_jwt(token), algorithms=["ES256"], audience=world.identifier,
        issuer=config["issuer"], options={"require": ["exp", "iat", "sub", "jti"]},
    )  # fmt: skip
    assert claims["client_id"] == world.client.client_id
    with pytest.raises(jwt.InvalidAudienceError):
        jwt.decode(token, keys.get_signing_key_from_jwt(token), algorithms=["ES256"], audience="https://other.example/")
