"""RFC 8707: which resource a machine token is for."""

from dataclasses import dataclass

import jwt
import pytest

from tests.api import Admin, Client, Json, expect, unique
from tests.contract.refusals import oauth_error
from tests.contract.world import scopes_of

GRANT = {"grant_type": "client_credentials"}


@dataclass(frozen=True)
class Two:
    """A client whose roles reach two resources."""

    client: Client
    first: Json
    second: Json
    one: str
    other: str


@pytest.fixture(scope="module")
def client_of_two(admin: Admin) -> Two:
    """The client of this file."""
    one, other = unique("one") + ":read", unique("other") + ":read"
    first = admin.resource(permissions=[one], access_token_ttl=600)
    second = admin.resource(permissions=[other], access_token_ttl=300)
    return Two(admin.client([admin.role("machine", [one, other])]), first, second, one, other)


def audience(answer: Json) -> object:
    return jwt.decode(answer["access_token"], options={"verify_signature": False})["aud"]


@pytest.mark.asvs("9.2.4", "RFC 9700 §2.3")
@pytest.mark.contract("audience of an M2M token: asked for, or inferred", "no `scope`: all on the resource")
@pytest.mark.spec("RFC 8707 §2")
def test_a_named_resource_is_the_audience_and_bounds_the_scope(admin: Admin, client_of_two: Two) -> None:
    answer = admin.grant(client_of_two.client, resource=client_of_two.first["identifier"])
    assert (audience(answer), answer["scope"], answer["expires_in"]) == (
        client_of_two.first["identifier"],
        client_of_two.one,
        600,
    )


@pytest.mark.contract("several resources: the shortest lifetime, `aud` an array")
@pytest.mark.spec("RFC 8707 §2")
def test_several_resources_are_an_array_and_live_the_shortest_of_their_lifetimes(
    admin: Admin, client_of_two: Two
) -> None:
    both = [client_of_two.first["identifier"], client_of_two.second["identifier"]]
    answer = admin.grant(client_of_two.client, resource=both)
    aud = audience(answer)
    assert isinstance(aud, list) and sorted(aud) == sorted(both)
    assert scopes_of(answer) == {client_of_two.one, client_of_two.other} and answer["expires_in"] == 300
    assert admin.introspect(answer["access_token"])["aud"] == aud


@pytest.mark.spec("RFC 8707 §2")
def test_the_same_resource_twice_is_one(admin: Admin, client_of_two: Two) -> None:
    assert (
        audience(admin.grant(client_of_two.client, resource=[client_of_two.first["identifier"]] * 2))
        == client_of_two.first["identifier"]
    )


@pytest.mark.contract(
    "audience of an M2M token: asked for, or inferred",
    "no `resource`: inferred, else the only one, else `invalid_target` naming the choices",
)
@pytest.mark.spec("RFC 8707 §2")
def test_without_a_resource_it_is_inferred_from_the_scopes(admin: Admin, client_of_two: Two) -> None:
    assert audience(admin.grant(client_of_two.client, scope=client_of_two.other)) == client_of_two.second["identifier"]
    both = audience(admin.grant(client_of_two.client, scope=f"{client_of_two.one} {client_of_two.other}"))
    assert len(list(both)) == 2  # type: ignore[call-overload]


@pytest.mark.contract("no `resource`: inferred, else the only one, else `invalid_target` naming the choices")
@pytest.mark.spec("RFC 8707 §2")
def test_with_neither_the_roles_must_reach_one_resource(admin: Admin, client_of_two: Two) -> None:
    description = oauth_error(admin.token_request(GRANT, client_of_two.client), 400, "invalid_target")
    assert client_of_two.first["identifier"] in description and client_of_two.second["identifier"] in description
    single = admin.client([admin.role("machine", [client_of_two.one])])
    assert audience(admin.grant(single)) == client_of_two.first["identifier"]


@pytest.mark.asvs("9.2.4")
@pytest.mark.contract("`invalid_target`")
@pytest.mark.spec("RFC 8707 §2")
def test_a_resource_that_is_unknown_or_out_of_reach_is_an_invalid_target(admin: Admin, client_of_two: Two) -> None:
    beyond = admin.resource(permissions=[unique("beyond") + ":read"])["identifier"]
    for identifier in (beyond, "https://unknown.example/", admin.identifier, "relative/path", "x", "https://a/#f", "ä"):
        for resource in (identifier, [client_of_two.first["identifier"], identifier]):
            response = admin.token_request(GRANT | {"resource": resource}, client_of_two.client)
            oauth_error(response, 400, "invalid_target")


@pytest.mark.spec("RFC 8707 §2")
def test_unknown_and_out_of_reach_answer_alike(admin: Admin, client_of_two: Two) -> None:
    beyond = admin.resource(permissions=[unique("beyond") + ":read"])["identifier"]
    asked = [
        admin.token_request(GRANT | {"resource": one}, client_of_two.client)
        for one in (beyond, "https://unknown.example/")
    ]
    known, unknown = (one.json()["error_description"].replace(beyond, "") for one in asked)
    assert known == unknown.replace("https://unknown.example/", "")


@pytest.mark.asvs("2.2.3")
@pytest.mark.contract("a scope out of reach is `invalid_scope` and named, also without any role")
@pytest.mark.spec("RFC 8707 §2.2")
def test_a_scope_of_another_resource_is_invalid_scope_and_named(admin: Admin, client_of_two: Two) -> None:
    form = GRANT | {
        "resource": client_of_two.first["identifier"],
        "scope": f"{client_of_two.one} {client_of_two.other}",
    }
    assert client_of_two.other in oauth_error(admin.token_request(form, client_of_two.client), 400, "invalid_scope")


@pytest.mark.asvs("9.2.4")
@pytest.mark.spec("RFC 8707 §2")
def test_the_identifier_is_compared_to_the_letter(admin: Admin, client_of_two: Two) -> None:
    identifier = str(client_of_two.first["identifier"])
    for near in (identifier.rstrip("/"), identifier + "/", identifier.upper(), identifier + "?x=1"):
        oauth_error(admin.token_request(GRANT | {"resource": near}, client_of_two.client), 400, "invalid_target")


@pytest.mark.contract("a resource: identifier (absolute URI, no fragment), name, lifetime, permissions")
@pytest.mark.spec("RFC 8707 §2")
@pytest.mark.parametrize(
    "identifier", ["relative", "https://a.example/#part", "https://a.example/#", "", "no scheme", "//a.example"]
)
def test_an_api_resource_has_an_absolute_uri_without_fragment(admin: Admin, identifier: str) -> None:
    body = {"identifier": identifier, "name": unique("api"), "permissions": []}
    expect(422, admin.post("/resources", body))


@pytest.mark.spec("RFC 8707 §2")
def test_a_urn_is_an_identifier_too(admin: Admin) -> None:
    scope, name = unique("urn") + ":read", unique("thing")
    resource = admin.resource(permissions=[scope], identifier=f"urn:example:{name}")
    client = admin.client([admin.role("machine", [scope])])
    assert audience(admin.grant(client, resource=resource["identifier"])) == f"urn:example:{name}"
