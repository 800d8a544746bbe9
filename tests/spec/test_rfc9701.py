"""RFC 9701: introspection as a signed JWT."""

import time

import httpx
import jwt
import pytest

from tests.api import Client, Json, expect
from tests.contract.world import KINDS, Kind, World

MEDIA_TYPE = "application/token-introspection+jwt"


def signed(world: World, token: str, as_client: Client, accept: str = MEDIA_TYPE) -> httpx.Response:
    headers = {"Accept": accept}
    url = "/oauth/introspect"
    return expect(200, world.admin.http.post(url, data={"token": token}, auth=as_client.basic, headers=headers))


def verified(world: World, response: httpx.Response, audience: str) -> Json:
    assert response.headers["Content-Type"].split(";")[0] == MEDIA_TYPE
    assert "no-store" in response.headers["Cache-Control"]
    keys = jwt.PyJWKClient(f"{world.admin.server.url}/.well-known/jwks.json")
    key = keys.get_signing_key_from_jwt(response.text)
    claims: Json = jwt.decode(response.text, key, algorithms=["ES256"], audience=audience, issuer=world.admin.issuer)
    return claims


@pytest.mark.contract("introspection: a signed answer for a caller that accepts it")
@pytest.mark.spec("RFC 9701 §5")
@pytest.mark.parametrize("kind", KINDS)
def test_token_introspection_has_the_members_of_the_json(world: World, kind: Kind) -> None:
    token, server = world.issue(kind).token, world.resource_server
    claims = verified(world, signed(world, token, server), server.client_id)
    assert claims["token_introspection"] == world.admin.introspect(token, server)


@pytest.mark.contract("introspection: a signed answer for a caller that accepts it")
@pytest.mark.spec("RFC 9701 §5")
def test_its_claims_are_its_own_and_never_the_tokens(world: World) -> None:
    response = signed(world, world.issue("m2m").token, world.resource_server)
    claims = verified(world, response, world.resource_server.client_id)
    assert set(claims) == {"iss", "aud", "iat", "token_introspection"}  # no sub, no exp: it is not an access token
    assert claims["aud"] == world.resource_server.client_id
    assert abs(claims["iat"] - time.time()) < 10


@pytest.mark.asvs("RFC 8725 §3.11–3.12")
@pytest.mark.spec("RFC 9701 §5")
def test_its_header_names_its_type(world: World) -> None:
    header = jwt.get_unverified_header(signed(world, world.issue("pat").token, world.resource_server).text)
    assert header["typ"] == "token-introspection+jwt"
    assert header["alg"] == "ES256" and header["kid"]


@pytest.mark.spec("RFC 9701 §5")
def test_an_inactive_token_is_signed_inactive_and_nothing_more(world: World) -> None:
    for token in ("x", "lk_pat_" + "0" * 38):
        claims = verified(world, signed(world, token, world.resource_server), world.resource_server.client_id)
        assert claims["token_introspection"] == {"active": False}


@pytest.mark.contract("introspection: a signed answer for a caller that accepts it")
@pytest.mark.spec("RFC 9701 §4")
def test_only_a_client_that_asks_for_it_gets_a_signed_answer(world: World) -> None:
    token = world.issue("api_key").token
    for accept in (
        "*/*",
        "application/json",
        "application/*",
        f"application/json, {MEDIA_TYPE};q=0.1",
        f"{MEDIA_TYPE};q=0",
    ):
        response = signed(world, token, world.resource_server, accept)
        assert response.headers["Content-Type"].split(";")[0] == "application/json", accept
    preferred = signed(world, token, world.resource_server, f"{MEDIA_TYPE}, application/json;q=0.5")
    assert preferred.headers["Content-Type"].split(";")[0] == MEDIA_TYPE


@pytest.mark.spec("RFC 9701 §7")
def test_the_metadata_names_the_algorithm(world: World) -> None:
    told = world.admin.http.get("/.well-known/oauth-authorization-server").json()
    assert told["introspection_signing_alg_values_supported"] == ["ES256"]
