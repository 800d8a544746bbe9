"""Every adapter answers alike, over real HTTP: what it accepts, how it refuses, whose credential a view sees."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.resource_server import metadata_url
from tests.api import Admin, expect
from tests.contract.world import CREDENTIAL_TYPE, KINDS, Kind, World, create_world
from tests.dpop import Prover
from tests.live import client
from tests.ports import free_port
from tests.resource_server.apis import ADAPTERS, Setup, issue_bound_token

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


@pytest.fixture(scope="module")
def other_world(admin: Admin) -> World:
    return create_world(admin)


@pytest.fixture(scope="module")
def setup(world: World) -> Setup:
    arguments = (world.admin.issuer, world.identifier, *world.resource_server.basic)
    return Setup(arguments, world.read, world.write, {"scopes_supported": (world.read, world.write)})


@pytest.fixture(scope="module", params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def api(adapter: str, setup: Setup) -> Iterator[httpx.Client]:
    with ADAPTERS[adapter](setup) as url, client(url) as http:
        yield http


def get(api: httpx.Client, path: str, token: str) -> httpx.Response:
    return api.get(path, headers={"Authorization": f"Bearer {token}"})


def challenge(setup: Setup, parameters: str = "") -> str:
    """Return the challenge with these parameters before the address of the metadata."""
    return f'Bearer {parameters}resource_metadata="{metadata_url(setup.configuration)}"'


@pytest.mark.contract("the adapters accept each kind, and nothing without a credential")
@pytest.mark.parametrize("path", ["/asked", "/local", "/both"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_comes_in_as_a_bearer_and_as_a_key(world: World, api: httpx.Client, kind: Kind, path: str) -> None:
    credential = world.issue(kind)
    for headers in ({"Authorization": f"Bearer {credential.token}"}, {"X-API-Key": credential.token}):
        seen = expect(200, api.get(path, headers=headers)).json()
        assert (seen["kind"], seen["id"]) == (CREDENTIAL_TYPE[kind], credential.id)


@pytest.mark.contract("the package: errors of RFC 6750 that name the metadata of the resource")
@pytest.mark.spec("RFC 6750 §3.1", "RFC 9728 §5.1")
def test_a_request_without_a_credential_gets_a_challenge_without_an_error(api: httpx.Client, setup: Setup) -> None:
    for headers in ({}, {"Authorization": "Digest x"}):
        refused = expect(401, api.get("/asked", headers=headers))
        assert refused.headers.get_list("WWW-Authenticate") == [challenge(setup)]
        assert refused.json()["error"] == "unauthorized"


@pytest.mark.spec("RFC 6750 §2")
def test_two_credentials_are_refused(world: World, api: httpx.Client) -> None:
    token = world.issue("api_key").token
    bearer, key = ("Authorization", f"Bearer {token}"), ("X-API-Key", token)
    for headers in ([bearer, key], [bearer, bearer], [key, key]):
        refused = expect(400, api.get("/asked", headers=headers))
        assert refused.json()["error"] == "invalid_request"
        assert 'error="invalid_request"' in refused.headers["WWW-Authenticate"]


@pytest.mark.spec("RFC 6750 §3.1")
@pytest.mark.parametrize("kind", KINDS)
def test_a_scope_that_is_missing_is_named(world: World, api: httpx.Client, setup: Setup, kind: Kind) -> None:
    fields = {"m2m": {"scope": world.read}}.get(kind, {"scopes": [world.read]})
    narrow = world.issue(kind, **fields).token
    expect(200, get(api, "/asked", narrow))
    refused = expect(403, get(api, "/both", narrow))
    expected = challenge(setup, f'error="insufficient_scope", scope="{world.write}", ')
    assert refused.headers.get_list("WWW-Authenticate") == [expected]
    assert refused.json()["error"] == "insufficient_scope"


@pytest.mark.contract("the adapters accept each kind, and nothing without a credential")
@pytest.mark.parametrize("kind", KINDS)
def test_a_revoked_credential_and_one_of_another_api_are_refused(
    world: World, other_world: World, api: httpx.Client, setup: Setup, kind: Kind
) -> None:
    revoked, elsewhere = world.issue(kind).token, other_world.issue(kind).token
    expect(200, world.admin.revoke(revoked, world.client if kind == "m2m" else None))
    for token in (revoked, elsewhere, "garbage", "a.b.c"):
        refused = expect(401, get(api, "/asked", token))
        assert refused.headers.get_list("WWW-Authenticate") == [challenge(setup, 'error="invalid_token", ')]
        assert refused.json()["error"] == "invalid_token"


@pytest.mark.contract("the adapters accept each kind, and nothing without a credential")
@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_no_method_is_let_through_without_a_credential(api: httpx.Client, method: str) -> None:
    refused = expect(401, api.request(method, "/asked"))
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert (refused.content == b"") is (method == "HEAD")
    preflight = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    assert api.request(method, "/asked", headers=preflight).status_code == 401


@pytest.mark.contract("`/.well-known/oauth-protected-resource` (RFC 9728)")
@pytest.mark.spec("RFC 9728 §3")
def test_the_metadata_of_the_resource_needs_no_credential(api: httpx.Client, setup: Setup) -> None:
    answer = expect(200, api.get(WELL_KNOWN))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()["resource"] == setup.configuration.resource
    assert answer.json()["authorization_servers"] == [setup.configuration.issuer]
    assert answer.json()["scopes_supported"] == [setup.read, setup.write]
    assert expect(200, api.head(WELL_KNOWN)).content == b""
    assert api.post(WELL_KNOWN).status_code in (401, 403, 405)


@pytest.mark.contract("`/.well-known/oauth-protected-resource` (RFC 9728)")
@pytest.mark.spec("RFC 9728 §3.1")
def test_the_metadata_of_a_resource_with_a_path_is_below_the_well_known_name(adapter: str) -> None:
    identifier = "https://api.example/caf%C3%A9/v1"
    configured = Setup(("http://127.0.0.1:9", identifier, "id", "secret"), "read", "write")
    with ADAPTERS[adapter](configured) as url, client(url) as http:
        assert expect(200, http.get(f"{WELL_KNOWN}/caf%C3%A9/v1")).json()["resource"] == identifier
        assert http.get(WELL_KNOWN).status_code in (401, 404)


@pytest.mark.spec("RFC 9449 §7")
def test_a_bound_token_is_accepted_once_with_each_proof_for_its_url(world: World, api: httpx.Client) -> None:
    prover = Prover(time.time)
    token = issue_bound_token(world, prover)

    def send(*proofs: str, scheme: str = "DPoP") -> httpx.Response:
        headers = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
        return api.get("/local?x=1", headers=headers)

    good, other = (prover.proof("GET", str(api.base_url.join(path)), token) for path in ("/local", "/asked"))
    expect(401, send(good, scheme="Bearer"))
    expect(401, send(good, good))
    expect(200, send(good))
    for refused in (send(good), send(other), send()):
        assert (
            expect(401, refused).headers["WWW-Authenticate"].startswith('DPoP error="invalid_dpop_proof", algs="ES256')
        )


@pytest.mark.parametrize("network", ["127.0.0.0/8", "192.0.2.0/24"])
def test_a_key_with_networks_is_judged_by_the_address_of_the_caller(
    world: World, api: httpx.Client, network: str
) -> None:
    token = world.issue("api_key", allowed_ips=[network]).token
    expect(200 if network.startswith("127") else 401, get(api, "/asked", token))


@pytest.mark.contract("the adapters accept each kind, and nothing without a credential")
def test_each_of_two_requests_at_once_sees_its_own_credential(world: World, api: httpx.Client) -> None:
    credentials = [world.issue(kind) for kind in ("pat", "m2m")]
    with ThreadPoolExecutor(2) as pool:
        answers = pool.map(lambda one: get(api, "/meet", one.token), credentials)
        assert [expect(200, answer).json()["id"] for answer in answers] == [one.id for one in credentials]


def test_no_credential_is_left_to_the_next_request(world: World, api: httpx.Client) -> None:
    expect(200, get(api, "/asked", world.issue("pat").token))
    assert expect(200, api.get("/open")).json() == {"kind": None}


def test_every_request_is_refused_while_the_server_is_down(adapter: str, world: World) -> None:
    down = Setup((f"http://127.0.0.1:{free_port()}", world.identifier, "id", "secret"), world.read, world.write)
    with ADAPTERS[adapter](down) as url, httpx.Client(base_url=url, trust_env=False, verify=False) as http:
        for path in ("/asked", "/local"):
            refused = expect(503, get(http, path, world.issue("m2m").token))
            assert refused.headers["Retry-After"] and "WWW-Authenticate" not in refused.headers
            assert refused.json()["error"] == "temporarily_unavailable"
