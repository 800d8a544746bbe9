"""Section 3: forward-auth."""

import base64
import socket
from typing import Literal

import httpx
import pytest

from tests.api import Admin, expect, unique
from tests.contract.refusals import challenge
from tests.contract.world import CREDENTIAL_TYPE, KINDS, Credential, Kind, World, create_world

How = Literal["bearer", "x-api-key", "basic"]
WAYS: tuple[How, ...] = ("bearer", "x-api-key", "basic")
SIX = ("Credential-Type", "Subject", "Username", "Client-Id", "Scope", "Credential-Id")
URL = "/oauth/forward-auth"


@pytest.fixture(scope="module")
def issued(world: World) -> dict[Kind, Credential]:
    """An issued credential of each kind."""
    return {kind: world.issue(kind) for kind in KINDS}


def identity_headers(response: httpx.Response) -> dict[str, str]:
    """Assert that each of the six headers is there once, and return them."""
    expect(200, response)
    assert all(len(response.headers.get_list(f"X-Auth-{name}")) == 1 for name in SIX), response.headers
    return {name: response.headers[f"X-Auth-{name}"] for name in SIX}


@pytest.mark.contract("forward-auth: methods, ways, kinds")
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "FOO"])
@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_way_to_send_a_credential_accepts_each_kind_by_each_method(
    world: World, issued: dict[Kind, Credential], kind: Kind, how: How, method: str
) -> None:
    response = world.admin.forward_auth(issued[kind].token, world.resource, world.read, how=how, method=method)
    headers = identity_headers(response)
    assert headers["Credential-Type"] == CREDENTIAL_TYPE[kind]
    assert headers["Credential-Id"] == issued[kind].id
    assert set(headers["Scope"].split()) == {world.read, world.write}


@pytest.mark.contract("all six headers, empty where one does not apply, never the caller's own")
def test_what_does_not_apply_is_an_empty_header(world: World, issued: dict[Kind, Credential]) -> None:
    named = {
        kind: identity_headers(world.admin.forward_auth(one.token, world.resource)) for kind, one in issued.items()
    }
    rows = {kind: (row["Subject"], row["Username"], row["Client-Id"]) for kind, row in named.items()}
    assert rows["pat"] == (world.user.id, world.user.username, "")
    assert rows["m2m"] == (world.client.client_id, "", world.client.client_id)
    assert rows["api_key"] == ("", "", "")


@pytest.mark.asvs("4.1.3")
@pytest.mark.contract("all six headers, empty where one does not apply, never the caller's own")
def test_the_callers_own_headers_are_not_handed_on(world: World, issued: dict[Kind, Credential]) -> None:
    forged = {f"X-Auth-{name}": "root" for name in SIX}
    response = world.admin.forward_auth(issued["api_key"].token, world.resource, headers=forged)
    assert "root" not in identity_headers(response).values()


@pytest.mark.contract(
    "forward-auth and every path below it: each method judged like GET, no 2xx without a good credential"
)
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "PUT", "DELETE", "TRACE", "FOO", "get"])
def test_no_method_gets_a_2xx_without_a_good_credential(world: World, method: str) -> None:
    for path in (URL, f"{URL}/anything/at/all"):
        for sent in ({}, {"Authorization": "Bearer garbage"}, {"X-Auth-Subject": "admin"}):
            answer = world.admin.http.request(method, path, params={"resource": world.identifier}, headers=sent)
            assert answer.status_code == 401, (method, path, sent)


@pytest.mark.contract(
    "forward-auth and every path below it: each method judged like GET, no 2xx without a good credential"
)
def test_every_path_below_it_is_judged_alike(world: World, issued: dict[Kind, Credential]) -> None:
    bearer = {"Authorization": f"Bearer {issued['pat'].token}"}
    for rest in ("/", "/orders", "/orders/%2e%2e/x", "//orders", "/a%2fb%00%ff", "/metrics"):
        identity_headers(world.admin.http.get(URL + rest, params={"resource": world.identifier}, headers=bearer))
        assert world.admin.http.get(URL + rest, params={"resource": world.identifier}).status_code == 401


COPIED = {
    "a WebSocket": b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
    "a length without a body": b"Content-Length: 1000\r\n",
    "chunks that never come": b"Transfer-Encoding: chunked\r\n",
    "an expectation": b"Expect: 100-continue\r\nContent-Length: 1000\r\n",
    "a strange form": b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99999999\r\n",
    "cookies": b"Cookie: latchkey=x; session=y\r\nCookie: \xff\r\n",
    "a strange host": b"Host: a b<>\r\n",
}


@pytest.mark.contract("what a gateway copies changes no verdict and is waited for never")
@pytest.mark.parametrize("name", COPIED)
def test_what_a_gateway_copies_changes_no_verdict_and_is_not_waited_for(
    world: World, issued: dict[Kind, Credential], name: str
) -> None:
    host = b"" if b"Host:" in COPIED[name] else b"Host: a\r\n"
    for method in (b"GET", b"POST", b"OPTIONS"):
        for token, status in ((issued["api_key"].token, b"200"), ("garbage", b"401")):
            target = f"{URL}/x?resource={world.identifier}".encode()
            head = b"%b %b HTTP/1.1\r\n%b%b" % (method, target, host, COPIED[name])
            heard = first_line(world.admin.server.port, head + f"X-API-Key: {token}\r\n\r\n".encode())
            assert heard == b"HTTP/1.1 " + status, (method, heard)


def first_line(port: int, message: bytes) -> bytes:
    """Send a request whose body never arrives; return the beginning of the response, which must come at once."""
    with socket.create_connection(("127.0.0.1", port), timeout=3) as connection:
        connection.sendall(message)
        return connection.recv(65_536)[: len("HTTP/1.1 200")]


@pytest.mark.contract(
    "forward-auth: `scope` is optional, all of it is needed", "403 naming the scope, and outside the networks"
)
def test_the_scope_is_optional_and_all_of_it_is_needed(world: World) -> None:
    token = world.issue("pat", scopes=[world.read]).token
    for scope in (None, "", world.read, f" {world.read}  {world.read} "):
        identity_headers(world.admin.forward_auth(token, world.resource, scope))
    for scope in (world.write, f"{world.read} {world.write}", "unheard-of"):
        parameters = challenge(world.admin.forward_auth(token, world.resource, scope), 403)
        assert parameters["error"] == "insufficient_scope"
        assert scope.split()[-1] in parameters["scope"].split()


@pytest.mark.contract("forward-auth: `scope` is optional, all of it is needed")
def test_a_scope_counts_on_the_named_resource_only(world: World) -> None:
    further = unique("further") + ":read"
    second = world.admin.resource(permissions=[further])
    user = world.admin.user([world.user_role, world.admin.role("user", [further])])
    token = world.admin.pat(user, [world.read, further])["token"]
    assert identity_headers(world.admin.forward_auth(token, world.resource))["Scope"] == world.read
    assert identity_headers(world.admin.forward_auth(token, second))["Scope"] == further
    assert world.admin.forward_auth(token, second, world.read).status_code == 403


@pytest.mark.asvs("9.2.3")
@pytest.mark.contract("401 for another audience")
@pytest.mark.parametrize("kind", KINDS)
def test_another_audience_is_401(world: World, issued: dict[Kind, Credential], kind: Kind) -> None:
    other = world.admin.resource(public=[unique("other") + ":read"])
    for resource in (other["identifier"], "https://unknown.example/", world.admin.identifier):
        response = world.admin.forward_auth(issued[kind].token, resource)
        assert challenge(response, 401)["error"] == "invalid_token"


@pytest.mark.contract("no resource, a repeated parameter, two credentials: 400")
def test_no_resource_is_400(world: World, issued: dict[Kind, Credential]) -> None:
    headers = {"Authorization": f"Bearer {issued['pat'].token}"}
    for params in ({}, {"resource": ""}, {"scope": world.read}):
        expect(400, world.admin.http.get(URL, params=params, headers=headers))
    expect(400, world.admin.http.get(URL))


@pytest.mark.contract("no resource, a repeated parameter, two credentials: 400")
@pytest.mark.parametrize("name", ["resource", "scope", "challenge"])
def test_a_repeated_parameter_is_400(world: World, issued: dict[Kind, Credential], name: str) -> None:
    value = {"resource": world.identifier, "scope": world.read, "challenge": "basic"}[name]
    params = {"resource": world.identifier} | {name: [value, value]}
    headers = {"Authorization": f"Bearer {issued['pat'].token}"}
    expect(400, world.admin.http.get(URL, params=params, headers=headers))


@pytest.mark.contract("no resource, a repeated parameter, two credentials: 400")
def test_two_credentials_are_400(world: World, issued: dict[Kind, Credential]) -> None:
    bearer, key = f"Bearer {issued['pat'].token}", issued["api_key"].token
    basic = "Basic " + base64.b64encode(f"x:{key}".encode()).decode()
    pairs: list[list[tuple[str, str]]] = [
        [("Authorization", bearer), ("X-API-Key", key)],
        [("Authorization", basic), ("X-API-Key", key)],
        [("Authorization", bearer), ("Authorization", basic)],
        [("Authorization", bearer), ("Authorization", bearer)],
        [("X-API-Key", key), ("X-API-Key", key)],
    ]
    for headers in pairs:
        expect(400, world.admin.http.get(URL, params={"resource": world.identifier}, headers=headers))


@pytest.mark.contract("forward-auth: the password of Basic, whatever the user name")
@pytest.mark.parametrize("pair", ["x:{}", "oauth2:{}", ":{}", "x-access-token:{}", "ü:{}"])
def test_with_basic_the_password_counts_whatever_the_user(
    world: World, issued: dict[Kind, Credential], pair: str
) -> None:
    raw = base64.b64encode(pair.format(issued["pat"].token).encode()).decode()
    identity_headers(world.admin.forward_auth(None, world.resource, headers={"Authorization": f"Basic {raw}"}))


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "Basic",
        "Basic ???",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff:\xff").decode(),
        "Digest x",
        "Negotiate",
        "x",
        "Basic " + base64.b64encode(b"x:").decode(),
    ],
)
def test_a_header_that_holds_no_credential_is_a_clean_4xx(world: World, header: str) -> None:
    response = world.admin.forward_auth(None, world.resource, headers={"Authorization": header})
    assert response.status_code in (400, 401)


@pytest.mark.contract("401 with `invalid_token`, without a code when nothing was sent")
def test_nothing_sent_is_401_without_an_error(world: World) -> None:
    assert set(challenge(world.admin.forward_auth(None, world.resource), 401)) == {"realm"}


@pytest.mark.contract("`challenge=basic` asks for a password")
def test_challenge_basic_makes_git_and_npm_ask_for_a_password(world: World, issued: dict[Kind, Credential]) -> None:
    challenge(world.admin.forward_auth(None, world.resource, challenge="basic"), 401, "Basic")
    bad = world.admin.forward_auth("lk_pat_" + "0" * 38, world.resource, how="basic", challenge="basic")
    challenge(bad, 401, "Basic")
    identity_headers(world.admin.forward_auth(issued["pat"].token, world.resource, how="basic", challenge="basic"))


@pytest.mark.contract("401 with `invalid_token`, without a code when nothing was sent")
@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_credential_is_401(world: World, kind: Kind) -> None:
    one = world.issue(kind)
    world.admin.revoke(one.token, world.client if kind == "m2m" else None)
    for how in WAYS:
        response = world.admin.forward_auth(one.token, world.resource, how=how)
        assert challenge(response, 401)["error"] == "invalid_token"


@pytest.mark.contract("body and `Accept` are ignored")
def test_the_body_and_what_is_accepted_are_ignored(world: World, issued: dict[Kind, Credential]) -> None:
    params, bearer = {"resource": world.identifier}, {"Authorization": f"Bearer {issued['pat'].token}"}
    bodies: list[tuple[str, bytes]] = [
        ("application/json", b"{broken"),
        ("application/x-www-form-urlencoded", b"resource=a&resource=b&access_token=x&scope=none"),
        ("multipart/form-data; boundary=x", b"\xff\x00"),
        ("text/plain", b"x" * 100_000),
    ]
    for content_type, body in bodies:
        for accept in ("image/png", "application/token-introspection+jwt", "*/*;q=0", ""):
            headers = bearer | {"Content-Type": content_type, "Accept": accept}
            identity_headers(world.admin.http.post(URL, params=params, content=body, headers=headers))


@pytest.mark.contract("what a gateway copies changes no verdict and is waited for never")
def test_a_long_body_is_never_read_and_the_next_request_is_answered(
    world: World, issued: dict[Kind, Credential]
) -> None:
    params, bearer = {"resource": world.identifier}, {"Authorization": f"Bearer {issued['pat'].token}"}
    for _ in range(20):
        expect(200, world.admin.http.post(URL, params=params, content=b"x" * 200_000, headers=bearer))
    refused = world.admin.http.post("/api/v1/roles", content=b"x" * 200_000)
    assert refused.status_code == 401 and "Connection" not in refused.headers


@pytest.mark.asvs("14.2.1")
@pytest.mark.contract("never in the URL, unless the setting names a parameter")
@pytest.mark.parametrize("name", ["access_token", "token", "api_key", "key"])
def test_a_credential_in_the_url_is_never_taken(world: World, issued: dict[Kind, Credential], name: str) -> None:
    params = {"resource": world.identifier, name: issued["api_key"].token}
    assert "error" not in challenge(world.admin.http.get(URL, params=params), 401)


@pytest.mark.contract("never in the URL, unless the setting names a parameter")
def test_a_query_key_takes_api_keys_alone(configured: Admin) -> None:
    admin, world = configured, create_world(configured)
    key = world.issue("api_key").token
    assert identity_headers(admin.forward_auth(None, world.resource, apikey=key))["Credential-Type"] == "api_key"
    for kind in ("pat", "m2m"):
        token = world.issue(kind).token
        assert admin.forward_auth(None, world.resource, apikey=token).status_code == 401
    assert admin.forward_auth(key, world.resource, apikey=key).status_code == 400
    twice = admin.http.get(URL, params={"resource": world.identifier, "apikey": [key, key]})
    expect(400, twice)
    log = admin.server.log_text()
    assert key not in log


def test_no_answer_is_cached_or_has_a_body_with_the_credential(world: World, issued: dict[Kind, Credential]) -> None:
    for token in (issued["pat"].token, "lk_pat_" + "0" * 38):
        response = world.admin.forward_auth(token, world.resource)
        assert "no-store" in response.headers["Cache-Control"]
        assert token not in response.text and token not in str(response.headers)
