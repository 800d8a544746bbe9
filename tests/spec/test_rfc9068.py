"""RFC 9068: the JWT access token, checked as an API would that trusts only the published keys."""

import time
from typing import Any

import jwt
import pytest

from tests.api import Admin, Json, expect, unique
from tests.contract.world import World

CLAIMS = {"iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti"}


def verified(admin: Admin, token: str, audience: str) -> Json:
    """Verify as a resource server does, with nothing but the issuer's metadata."""
    metadata = admin.http.get("/.well-known/oauth-authorization-server").json()
    keys = jwt.PyJWKClient(metadata["jwks_uri"])
    key = keys.get_signing_key_from_jwt(token)
    claims: Json = jwt.decode(
        token,
        key,
        algorithms=["ES256"],
        audience=audience,
        issuer=metadata["issuer"],
        options={"require": list(CLAIMS)},
    )
    return claims


@pytest.mark.asvs("11.4.3")
@pytest.mark.contract("format of an M2M token: `at+jwt`, ES256")
@pytest.mark.spec("RFC 9068 §2.1")
def test_the_header_has_the_type_the_algorithm_and_the_published_key(world: World) -> None:
    header = jwt.get_unverified_header(world.issue("m2m").token)
    published = world.admin.http.get("/.well-known/jwks.json").json()["keys"]
    assert header["typ"] == "at+jwt" and header["alg"] == "ES256"
    assert header["kid"] in {key["kid"] for key in published}


@pytest.mark.asvs("10.3.3")
@pytest.mark.contract("`iat` never ahead, integers, nothing null")
@pytest.mark.spec("RFC 9068 §2.2")
def test_the_claims_are_the_ones_of_section_2_2(world: World) -> None:
    before = int(time.time())
    claims = verified(world.admin, world.issue("m2m").token, world.identifier)
    assert set(claims) >= CLAIMS
    assert claims["sub"] == claims["client_id"] == world.client.client_id
    assert set(claims["scope"].split()) == {world.read, world.write}
    assert claims["aud"] == world.identifier
    for name in ("iat", "exp"):
        assert type(claims[name]) is int
    assert before <= claims["iat"] <= time.time() and claims["exp"] - claims["iat"] == 3600


@pytest.mark.contract("`iat` never ahead, integers, nothing null")
@pytest.mark.spec("RFC 9068 §2.2")
def test_what_does_not_apply_is_left_out_never_null(world: World) -> None:
    def nulls(value: Any) -> bool:
        return value is None or (isinstance(value, dict) and any(map(nulls, value.values())))

    exchanged = [
        expect(200, world.admin.exchange(world.issue(kind).token, urn)).json()["access_token"]  # type: ignore[arg-type]
        for kind, urn in (("pat", "personal_access_token"), ("api_key", "api_key"))
    ]
    for token in (world.issue("m2m").token, *exchanged):
        assert not nulls(verified(world.admin, token, world.identifier))


@pytest.mark.spec("RFC 9068 §2.2")
def test_each_token_has_a_jti_of_its_own(world: World) -> None:
    tokens = [world.admin.m2m(world.client) for _ in range(5)]
    assert len({verified(world.admin, token, world.identifier)["jti"] for token in tokens}) == 5


@pytest.mark.spec("RFC 9068 §2.2.3")
def test_the_scope_claim_is_what_was_granted(world: World) -> None:
    token = world.admin.m2m(world.client, scope=world.write)
    assert verified(world.admin, token, world.identifier)["scope"] == world.write


@pytest.mark.contract("lifetime of an M2M token: 3600 s, or the resource's")
@pytest.mark.spec("RFC 9068 §3")
def test_the_lifetime_is_the_resources(admin: Admin) -> None:
    for ttl in (60, 86_400):
        scope = unique("thing") + ":read"
        admin.resource(permissions=[scope], access_token_ttl=ttl)
        answer = admin.grant(admin.client([admin.role("machine", [scope])]))
        claims = jwt.decode(answer["access_token"], options={"verify_signature": False})
        assert answer["expires_in"] == claims["exp"] - claims["iat"] == ttl


@pytest.mark.asvs("9.1.2")
@pytest.mark.spec("RFC 9068 §4")
def test_a_jwt_without_the_type_or_signed_otherwise_is_refused_everywhere(world: World) -> None:
    token = world.issue("m2m").token
    claims = jwt.decode(token, options={"verify_signature": False})
    kid = jwt.get_unverified_header(token)["kid"]
    for forged in (
        jwt.encode(claims, None, "none", {"typ": "at+jwt", "kid": kid}),  # type: ignore[arg-type]
        jwt.encode(claims, "x" * 64, "HS256", {"typ": "at+jwt", "kid": kid}),
        token.rpartition(".")[0] + ".",
    ):
        assert not world.admin.active(forged)
        assert world.admin.forward_auth(forged, world.resource).status_code == 401


@pytest.mark.asvs("9.2.2")
@pytest.mark.spec("RFC 9068 §4")
def test_a_signed_introspection_answer_is_not_an_access_token(world: World) -> None:
    held = world.issue("m2m")
    response = world.admin.http.post(
        "/oauth/introspect",
        data={"token": held.token},
        auth=world.resource_server.basic,
        headers={"Accept": "application/token-introspection+jwt"},
    )
    answer = expect(200, response).text
    assert not world.admin.active(answer)
    assert world.admin.forward_auth(answer, world.resource).status_code == 401
