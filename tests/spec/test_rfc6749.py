"""RFC 6749: the token endpoint and client authentication by secret."""

import base64
from urllib.parse import quote_plus

import httpx
import pytest

from tests.api import Admin, Client, expect, unique
from tests.conftest import StartServer
from tests.contract.refusals import challenge, oauth_error
from tests.contract.world import World, create_world

GRANT = {"grant_type": "client_credentials"}
FORM = "application/x-www-form-urlencoded"


def basic(text: str | bytes) -> dict[str, str]:
    raw = text if isinstance(text, bytes) else text.encode()
    return {"Authorization": "Basic " + base64.b64encode(raw).decode()}


def in_body(client: Client) -> dict[str, str]:
    return {"client_id": client.client_id, "client_secret": client.client_secret}


@pytest.mark.contract(
    "an M2M token by client id and secret, or a private key",
    "`client_secret_basic` form-decoded, `client_secret_post`, either way",
)
@pytest.mark.spec("RFC 6749 §2.3.1")
def test_a_client_with_a_secret_may_send_it_either_way(world: World) -> None:
    expect(200, world.admin.token_request(GRANT, world.client))
    expect(200, world.admin.token_request(GRANT | in_body(world.client)))


@pytest.mark.contract("`client_secret_basic` form-decoded, `client_secret_post`, either way")
@pytest.mark.spec("RFC 6749 §2.3.1")
def test_basic_credentials_are_form_decoded(world: World) -> None:
    def escaped(text: str) -> str:
        return "".join(f"%{ord(c):02X}" for c in text)

    pair = f"{escaped(world.client.client_id)}:{escaped(world.client.client_secret)}"
    expect(200, world.admin.token_request(GRANT, headers=basic(pair)))


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_a_secret_of_any_characters_that_are_allowed_works_form_encoded(fresh_server: StartServer) -> None:
    secret = 'p ss:w&=rd/?#~"\\'
    server = fresh_server(bootstrap_client_id="my.client~1", bootstrap_client_secret=secret)
    answer = server.http.post("/oauth/token", data=GRANT, headers=basic(f"my.client~1:{quote_plus(secret)}"))
    expect(200, answer)
    expect(200, server.http.post("/oauth/token", data=GRANT | {"client_id": "my.client~1", "client_secret": secret}))
    wrong = server.http.post("/oauth/token", data=GRANT, headers=basic(f"my.client~1:{quote_plus(secret + 'x')}"))
    oauth_error(wrong, 401, "invalid_client")


@pytest.mark.spec("RFC 6749 §2.3.1")
def test_the_scheme_name_is_case_insensitive(world: World) -> None:
    header = {"Authorization": "bAsIc" + basic(":".join(world.client.basic))["Authorization"][5:]}
    expect(200, world.admin.token_request(GRANT, headers=header))


@pytest.mark.spec("RFC 6749 §2.3.1")
@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ???",
        "Basic YQ",
        basic("nocolon")["Authorization"],
        basic(b"\xff\xfe:\xff")["Authorization"],
        basic(":")["Authorization"],
        basic("a%zz:b%")["Authorization"],
        basic("a\x00b:c\x00d")["Authorization"],
    ],
)
def test_a_broken_basic_header_is_a_failed_authentication(admin: Admin, header: str) -> None:
    response = admin.token_request(GRANT, headers={"Authorization": header})
    oauth_error(response, 401, "invalid_client")
    challenge(response, 401, "Basic")


@pytest.mark.asvs("14.2.1")
@pytest.mark.spec("RFC 6749 §2.3.1")
def test_client_credentials_in_the_url_are_refused(world: World) -> None:
    response = world.admin.token_request(GRANT, params=in_body(world.client))
    oauth_error(response, 400, "invalid_request")


@pytest.mark.contract("two methods at once; Basic with the same `client_id` is one")
@pytest.mark.spec("RFC 6749 §2.3")
def test_two_methods_at_once_are_an_invalid_request(world: World) -> None:
    oauth_error(world.admin.token_request(GRANT | in_body(world.client), world.client), 400, "invalid_request")
    assertion = {"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    both = GRANT | assertion | {"client_assertion": "a.b.c"}
    oauth_error(world.admin.token_request(both, world.client), 400, "invalid_request")
    oauth_error(world.admin.token_request(both | in_body(world.client)), 400, "invalid_request")


@pytest.mark.contract("two methods at once; Basic with the same `client_id` is one")
@pytest.mark.spec("RFC 6749 §2.3")
def test_basic_with_the_same_client_id_in_the_body_is_one_method(world: World) -> None:
    expect(200, world.admin.token_request(GRANT | {"client_id": world.client.client_id}, world.client))


@pytest.mark.spec("RFC 6749 §2.3")
def test_basic_with_another_client_id_in_the_body_is_refused(world: World) -> None:
    response = world.admin.token_request(GRANT | {"client_id": world.resource_server.client_id}, world.client)
    oauth_error(response, 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §5.2")
def test_an_unknown_client_and_a_wrong_secret_answer_alike(world: World) -> None:
    stranger = Client("", unique("nobody"), world.client.client_secret)
    wrong = Client("", world.client.client_id, world.resource_server.client_secret)
    by_basic = [world.admin.token_request(GRANT, client) for client in (stranger, wrong)]
    by_post = [world.admin.token_request(GRANT | in_body(client)) for client in (stranger, wrong)]
    for answers in (by_basic, by_post):
        assert answers[0].json() == answers[1].json()
        for answer in answers:
            oauth_error(answer, 401, "invalid_client")
        assert answers[0].headers.get("WWW-Authenticate") == answers[1].headers.get("WWW-Authenticate")


@pytest.mark.contract("failed client authentication: 401, Basic challenge when tried")
@pytest.mark.spec("RFC 6749 §5.2")
def test_a_failed_basic_authentication_carries_a_basic_challenge(world: World) -> None:
    wrong = Client("", world.client.client_id, "wrong")
    challenge(world.admin.token_request(GRANT, wrong), 401, "Basic")


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("value", [b"Basic \x80", b"BASIC \xc3\xa9", b"Basic =", b"Basic"])
def test_a_basic_header_that_cannot_be_read_carries_one_too(admin: Admin, value: bytes) -> None:
    challenge(admin.token_request(GRANT, headers={b"Authorization": value}), 401, "Basic")


@pytest.mark.spec("RFC 6749 §5.2")
def test_no_authentication_at_all_is_invalid_client(admin: Admin) -> None:
    response = admin.token_request(GRANT)
    oauth_error(response, 401, "invalid_client")
    assert not response.headers.get("WWW-Authenticate", "Basic").startswith("Bearer")


@pytest.mark.spec("RFC 6749 §5.2")
def test_a_disabled_client_is_invalid_client(admin: Admin) -> None:
    world = create_world(admin)
    admin.change(f"/clients/{world.client.id}", {"enabled": False})
    oauth_error(admin.token_request(GRANT, world.client), 401, "invalid_client")
    admin.change(f"/clients/{world.client.id}", {"enabled": True})
    expect(200, admin.token_request(GRANT, world.client))


@pytest.mark.contract("GET on a POST endpoint is 405")
@pytest.mark.spec("RFC 6749 §3.2")
def test_only_post_is_served(world: World) -> None:
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke"):
        response = world.admin.http.get(path, params=GRANT, auth=world.client.basic)
        assert response.status_code == 405
        assert "POST" in response.headers["Allow"]


@pytest.mark.contract("a repeated parameter is `invalid_request`, but for `resource` and `audience`")
@pytest.mark.spec("RFC 6749 §3.2")
@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "unknown"])
def test_a_repeated_parameter_is_an_invalid_request(world: World, name: str) -> None:
    value = {"grant_type": "client_credentials", "client_id": world.client.client_id}.get(name, world.read)
    oauth_error(world.admin.token_request(GRANT | {name: [value, value]}, world.client), 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §3.2")
def test_a_parameter_without_a_value_counts_as_omitted(world: World) -> None:
    empty = {"scope": "", "resource": "", "client_assertion": "", "client_secret": ""}
    answer = world.admin.grant(world.client, **empty)
    assert set(answer["scope"].split()) == {world.read, world.write}
    oauth_error(world.admin.token_request({"grant_type": ""}, world.client), 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §3.2")
def test_an_unknown_parameter_is_ignored(world: World) -> None:
    world.admin.grant(world.client, nonsense="1", username="x")


@pytest.mark.spec("RFC 6749 §3.2")
def test_parameters_in_the_query_string_are_refused(world: World) -> None:
    oauth_error(world.admin.token_request({}, world.client, params=GRANT), 400, "invalid_request")
    also = world.admin.token_request(GRANT, world.client, params={"scope": world.read})
    oauth_error(also, 400, "invalid_request")


@pytest.mark.contract("forms in, JSON out, `no-store` and `no-cache`")
@pytest.mark.spec("RFC 6749 §4.4.2")
def test_another_content_type_is_an_invalid_request(world: World) -> None:
    for content_type in ("application/json", "text/plain", "multipart/form-data; boundary=x", ""):
        response = world.admin.http.post(
            "/oauth/token",
            content=b"grant_type=client_credentials",
            auth=world.client.basic,
            headers={"Content-Type": content_type},
        )
        oauth_error(response, 400, "invalid_request")


@pytest.mark.spec("RFC 6749 §4.4.2")
@pytest.mark.parametrize("body", [b"grant_type=\xff\xfe", b"grant_type=client_credentials&scope=%00", b"=&&&=;", b"%"])
def test_a_body_of_garbage_is_refused_cleanly(world: World, body: bytes) -> None:
    response = world.admin.http.post(
        "/oauth/token", content=body, auth=world.client.basic, headers={"Content-Type": FORM}
    )
    assert response.status_code == 400
    assert response.json()["error"] in ("invalid_request", "invalid_scope", "unsupported_grant_type")


@pytest.mark.asvs("10.4.5", "RFC 9700 §2.2.2, §4.14")
@pytest.mark.contract("the answer's members; never a refresh token")
@pytest.mark.spec("RFC 6749 §4.4.3", "RFC 6749 §5.1")
def test_the_answer_has_the_members_of_section_5_1_and_no_refresh_token(world: World) -> None:
    response = expect(200, world.admin.token_request(GRANT, world.client))
    answer = response.json()
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope"}
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600 and type(answer["expires_in"]) is int
    assert response.headers["Content-Type"].split(";")[0] == "application/json"


@pytest.mark.asvs("14.3.2")
@pytest.mark.contract("forms in, JSON out, `no-store` and `no-cache`")
@pytest.mark.spec("RFC 6749 §5.1")
def test_an_answer_with_a_token_is_never_cached(world: World) -> None:
    response = world.admin.token_request(GRANT, world.client)
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers["Pragma"] == "no-cache"


@pytest.mark.contract("errors are RFC 6749 §5.2 objects, at each endpoint")
@pytest.mark.spec("RFC 6749 §5.2")
def test_a_missing_grant_type_is_an_invalid_request(world: World) -> None:
    oauth_error(world.admin.token_request({"scope": world.read}, world.client), 400, "invalid_request")


@pytest.mark.asvs("10.4.4", "RFC 9700 §2.4")
@pytest.mark.contract("errors are RFC 6749 §5.2 objects, at each endpoint")
@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("grant", ["password", "implicit", "urn:x:y", "Client_credentials"])
def test_another_grant_is_unsupported(world: World, grant: str) -> None:
    form = {"grant_type": grant, "username": "u", "password": "p", "code": "c", "refresh_token": "r"}
    oauth_error(world.admin.token_request(form, world.client), 400, "unsupported_grant_type")


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token"])
def test_a_grant_that_the_client_is_not_registered_for_is_unauthorized(world: World, grant: str) -> None:
    form = {"grant_type": grant, "code": "c", "code_verifier": "v" * 43, "refresh_token": "r"}
    oauth_error(world.admin.token_request(form, world.client), 400, "unauthorized_client")


@pytest.mark.asvs("10.4.11")
@pytest.mark.contract("a scope out of reach is `invalid_scope` and named, also without any role")
@pytest.mark.spec("RFC 6749 §3.3", "RFC 6749 §5.2")
def test_a_scope_that_the_roles_do_not_give_is_invalid_scope_and_named(world: World) -> None:
    other = unique("other") + ":read"
    world.admin.resource(permissions=[other])
    for wanted in (other, f"{world.read} {other}", unique("never-heard-of")):
        description = oauth_error(
            world.admin.token_request(GRANT | {"scope": wanted}, world.client), 400, "invalid_scope"
        )
        assert wanted.split()[-1] in description
        assert world.read not in description


@pytest.mark.spec("RFC 6749 §3.3")
@pytest.mark.parametrize("scope", ['a"b', "a\\b", "ä", "a\tb", "a\x00", "x" * 5000, "日本"])
def test_a_malformed_scope_is_invalid_scope(world: World, scope: str) -> None:
    oauth_error(world.admin.token_request(GRANT | {"scope": scope}, world.client), 400, "invalid_scope")


@pytest.mark.contract("a permission's name is the scope string")
@pytest.mark.spec("RFC 6749 §3.3")
def test_the_scope_asked_for_is_the_scope_given(world: World) -> None:
    assert world.admin.grant(world.client, scope=world.read)["scope"] == world.read
    both = world.admin.grant(world.client, scope=f"{world.write} {world.read}  {world.write}")
    assert set(both["scope"].split()) == {world.read, world.write}


@pytest.mark.contract("no `scope`: all on the resource")
@pytest.mark.spec("RFC 6749 §3.3")
def test_no_scope_means_all_that_the_roles_give(world: World) -> None:
    assert set(world.admin.grant(world.client)["scope"].split()) == {world.read, world.write}


@pytest.mark.asvs("10.4.4", "10.4.11")
@pytest.mark.contract("a scope out of reach is `invalid_scope` and named, also without any role")
@pytest.mark.spec("RFC 6749 §3.3")
def test_a_client_without_any_role_gets_invalid_scope(world: World) -> None:
    oauth_error(world.admin.token_request(GRANT, world.resource_server), 400, "invalid_scope")


@pytest.mark.spec("RFC 6749 §10.3")
def test_no_answer_of_the_token_endpoint_repeats_what_was_sent(world: World) -> None:
    secret = world.client.client_secret
    answers: list[httpx.Response] = [
        world.admin.token_request(GRANT | {"scope": secret}, world.client),
        world.admin.token_request({"grant_type": secret}, world.client),
        world.admin.token_request(GRANT | {"resource": f"https://x.example/{secret}"}, world.client),
        world.admin.token_request(GRANT | {"client_id": secret, "client_secret": secret}),
    ]
    assert all(answer.status_code in (400, 401) for answer in answers)
    assert not [answer.text for answer in answers[1:] if secret in answer.text]
