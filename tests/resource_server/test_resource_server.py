"""An API that uses the package: it accepts each kind within its rights and refuses everything else."""

import base64
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask, jsonify
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from werkzeug.test import TestResponse

from app.resource_server import InvalidToken, Request, ResourceServer, current_credential
from app.resource_server.credential import read_credential
from app.resource_server.proof import Proofs, prove
from app.resource_server.request import Presented
from tests.api import Admin, expect
from tests.contract.world import KINDS, Kind, World, create_world
from tests.dpop import Prover

SECOND = 1.0


class Clock:
    """The API's clock, which a test sets."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(scope="module")
def world(admin: Admin) -> World:
    return create_world(admin)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def api_of(world: World, clock: Callable[[], float], issuer: str | None = None, **settings: Any) -> FlaskClient:
    """Return an API with a route that introspects, one that verifies locally and one that needs two scopes."""
    app = Flask("api")
    server = ResourceServer(
        issuer or world.admin.issuer, world.identifier, *world.resource_server.basic, now=clock, **settings
    )

    def show() -> ResponseReturnValue:
        names = ("kind", "id", "subject", "username", "client_id", "exchanged")
        return jsonify({name: getattr(current_credential, name) for name in names})

    app.get("/asked")(server.require_scope(world.read)(show))
    app.get("/local", endpoint="local")(server.require_scope(world.read, verify="local")(show))
    app.get("/both", endpoint="both")(server.require_scope(world.read, world.write)(show))
    return app.test_client()


@pytest.fixture
def api(world: World, clock: Clock) -> FlaskClient:
    return api_of(world, clock)


def call(api: FlaskClient, path: str, token: str) -> TestResponse:
    return api.get(path, headers={"Authorization": f"Bearer {token}"})


def exchanged(world: World, kind: str, token: str) -> str:
    answer = expect(200, world.admin.exchange(token, "personal_access_token" if kind == "pat" else kind))
    return str(answer.json()["access_token"])


@pytest.mark.parametrize("path", ["/asked", "/local", "/both"])
@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_comes_in_as_a_bearer_and_as_a_key(world: World, api: FlaskClient, kind: Kind, path: str) -> None:
    credential = world.issue(kind)
    for headers in ({"Authorization": f"Bearer {credential.token}"}, {"X-API-Key": credential.token}):
        seen = api.get(path, headers=headers)
        assert seen.status_code == 200, seen.text
        assert seen.json is not None
        assert seen.json["id"] == credential.id


@pytest.mark.asvs("10.3.2")
def test_the_view_receives_the_owner_of_the_credential(world: World, api: FlaskClient) -> None:
    pat, key, machine = (call(api, "/asked", world.issue(kind).token).json for kind in KINDS)
    assert pat and key and machine
    assert (pat["kind"], pat["subject"], pat["username"]) == (
        "personal_access_token",
        world.user.id,
        world.user.username,
    )
    assert (key["kind"], key["subject"], key["username"], key["client_id"]) == ("api_key", None, None, None)
    assert (machine["kind"], machine["client_id"]) == ("client_credentials", world.client.client_id)


@pytest.mark.parametrize("path", ["/asked", "/local"])
def test_an_exchanged_key_has_no_owner_either(world: World, api: FlaskClient, path: str) -> None:
    seen = call(api, path, exchanged(world, "api_key", world.issue("api_key").token)).json
    assert seen and (seen["kind"], seen["subject"], seen["client_id"]) == ("api_key", None, None)
    assert seen["exchanged"] is True


@pytest.mark.spec("RFC 6750 §3.1")
def test_a_request_without_a_credential_gets_a_challenge_without_an_error(world: World, api: FlaskClient) -> None:
    metadata = f"{world.identifier.rstrip('/')}/.well-known/oauth-protected-resource"
    for headers in ({}, {"Authorization": "Digest x"}):
        refused = api.get("/asked", headers=headers)
        assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (
            401,
            f'Bearer resource_metadata="{metadata}"',
        )


@pytest.mark.spec("RFC 6750 §2")
def test_two_credentials_are_refused(world: World, api: FlaskClient) -> None:
    token = world.issue("api_key").token
    both = api.get("/asked", headers={"Authorization": f"Bearer {token}", "X-API-Key": token})
    assert both.status_code == 400


@pytest.mark.asvs("10.3.2")
@pytest.mark.spec("RFC 6750 §3.1")
@pytest.mark.parametrize("kind", KINDS)
def test_a_scope_that_is_missing_is_named(world: World, api: FlaskClient, kind: Kind) -> None:
    fields: dict[Kind, dict[str, Any]] = {
        "pat": {"scopes": [world.read]},
        "api_key": {"scopes": [world.read]},
        "m2m": {"scope": world.read},
    }
    narrow = world.issue(kind, **fields[kind]).token
    assert call(api, "/asked", narrow).status_code == 200
    refused = call(api, "/both", narrow)
    assert refused.status_code == 403
    assert f'error="insufficient_scope", scope="{world.write}"' in refused.headers["WWW-Authenticate"]


@pytest.mark.asvs("9.2.3", "10.3.1")
@pytest.mark.parametrize("path", ["/asked", "/local"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_for_another_api_is_refused(world: World, api: FlaskClient, kind: Kind, path: str) -> None:
    assert call(api, path, create_world(world.admin).issue(kind).token).status_code == 401


@pytest.mark.parametrize("kind", KINDS)
def test_introspection_notices_a_revocation_at_once(world: World, api: FlaskClient, kind: Kind) -> None:
    token = world.issue(kind).token
    assert call(api, "/asked", token).status_code == 200
    expect(200, world.admin.revoke(token, world.client if kind == "m2m" else None))
    refused = call(api, "/asked", token)
    assert refused.status_code == 401
    assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]


def test_without_the_status_a_revoked_token_is_accepted_locally_until_it_expires(world: World, clock: Clock) -> None:
    api = api_of(world, clock, check_status=False)
    token = world.issue("m2m").token
    expect(200, world.admin.revoke(token, world.client))
    assert call(api, "/local", token).status_code == 200
    clock.ahead = 3600 + SECOND
    assert call(api, "/local", token).status_code == 401


@pytest.mark.parametrize("kind", KINDS)
def test_locally_a_revocation_is_noticed_after_the_age_of_a_status_list(
    world: World, api: FlaskClient, clock: Clock, kind: Kind
) -> None:
    revoked, other = world.issue(kind).token, exchanged(world, "api_key", world.issue("api_key").token)
    signed = revoked if kind == "m2m" else exchanged(world, kind, revoked)
    assert [call(api, "/local", token).status_code for token in (signed, other)] == [200, 200]
    expect(200, world.admin.revoke(revoked, world.client if kind == "m2m" else None))
    clock.ahead = 5.0  # the `ttl` of the server's lists
    assert [call(api, "/local", token).status_code for token in (signed, other)] == [401, 200]


def test_a_response_is_cached_for_the_configured_time_only(world: World, clock: Clock) -> None:
    api = api_of(world, clock, max_age=30)
    token = world.issue("pat").token
    assert call(api, "/asked", token).status_code == 200
    expect(200, world.admin.revoke(token))
    clock.ahead = 30 - SECOND
    assert call(api, "/asked", token).status_code == 200
    clock.ahead = 30 + SECOND
    assert call(api, "/asked", token).status_code == 401


@pytest.mark.contract("a key's networks at introspection: by `client_ip`, without it inactive (section 10)")
@pytest.mark.parametrize("max_age", [0, 3600])
def test_a_key_with_networks_is_judged_by_the_address_of_each_caller(
    world: World, clock: Clock, max_age: float
) -> None:
    api = api_of(world, clock, max_age=max_age)
    token = world.issue("api_key", allowed_ips=["192.0.2.0/24", "2001:db8::/32"]).token
    headers = {"Authorization": f"Bearer {token}"}
    expected = {"192.0.2.7": 200, "198.51.100.7": 401, "2001:db8::7": 200, "fe80::1%eth0": 401, "": 401}
    for address, status in expected.items():
        answer = api.get("/asked", headers=headers, environ_overrides={"REMOTE_ADDR": address})
        assert answer.status_code == status, address


def test_a_cached_response_does_not_outlive_the_credential(world: World, clock: Clock) -> None:
    api = api_of(world, clock, max_age=3600)
    token = world.issue("pat", expires_in=60).token
    assert call(api, "/asked", token).status_code == 200
    clock.ahead = 60 + SECOND
    assert call(api, "/asked", token).status_code == 401


@pytest.mark.asvs("9.1.1")
@pytest.mark.spec("RFC 9068 §4")
def test_no_forged_token_is_accepted_locally(world: World, api: FlaskClient) -> None:
    good = world.issue("m2m").token
    claims = jwt.decode(good, options={"verify_signature": False})
    kid = jwt.get_unverified_header(good)["kid"]
    own = ec.generate_private_key(ec.SECP256R1())
    head, body, signature = good.split(".")
    forged = [
        jwt.encode(claims, own, algorithm="ES256", headers={"kid": kid, "typ": "at+jwt"}),
        jwt.encode(claims, "", algorithm="none", headers={"kid": kid, "typ": "at+jwt"}),
        jwt.encode(claims, "x" * 40, algorithm="HS256", headers={"kid": kid, "typ": "at+jwt"}),
        jwt.encode(claims, own, algorithm="ES256", headers={"typ": "at+jwt"}),
        f"{head}.{body[:-4]}AAAA.{signature}",
        f"{head}..{signature}",
        "a.b.c",
    ]
    for token in forged:
        assert call(api, "/local", token).status_code == 401, token


@pytest.mark.asvs("9.2.2")
@pytest.mark.spec("RFC 8725 §3.11")
def test_a_signed_response_of_the_server_is_not_an_access_token(world: World, api: FlaskClient) -> None:
    asked = world.admin.http.post(
        "/oauth/introspect",
        data={"token": world.issue("m2m").token},
        auth=world.resource_server.basic,
        headers={"Accept": "application/token-introspection+jwt"},
    )
    assert call(api, "/local", asked.text).status_code == 401


@pytest.mark.asvs("16.5.3")
@pytest.mark.parametrize("path", ["/asked", "/local"])
def test_every_request_is_refused_while_the_server_is_down(world: World, clock: Clock, path: str) -> None:
    api = api_of(world, clock, issuer="http://127.0.0.1:9")
    assert call(api, path, world.issue("m2m").token).status_code == 503


@pytest.mark.asvs("10.3.1")
def test_every_request_is_refused_with_a_client_that_does_not_serve_the_api(world: World, clock: Clock) -> None:
    stranger = world.admin.client()
    app = Flask("api")
    server = ResourceServer(world.admin.issuer, world.identifier, *stranger.basic, now=clock)
    app.get("/asked")(server.require_scope(world.read)(lambda: "in"))
    assert call(app.test_client(), "/asked", world.issue("pat").token).status_code == 401


def issue_bound_token(world: World, prover: Prover) -> str:
    """Issue a token that is bound to a key."""
    form = {"grant_type": "client_credentials", "resource": world.identifier}
    proof = {"DPoP": prover.proof("POST", f"{world.admin.issuer}/oauth/token")}
    return str(expect(200, world.admin.token_request(form, world.client, headers=proof)).json()["access_token"])


@pytest.mark.asvs("10.3.5")
@pytest.mark.contract("DPoP is checked by gateways, the management API, introspection and an API in Flask")
@pytest.mark.spec("RFC 9449 §7", "RFC 9449 §4.3")
@pytest.mark.parametrize("path", ["/asked", "/local"])
def test_a_bound_token_is_accepted_only_with_a_fresh_proof(
    world: World, clock: Clock, api: FlaskClient, path: str
) -> None:
    prover = Prover(clock)
    token, url = issue_bound_token(world, prover), f"http://localhost{path}"

    def send(proof: str | None, scheme: str = "DPoP", token: str = token) -> int:
        headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof is not None else {})
        answer = api.get(f"{path}?x=1", headers=headers)
        assert answer.status_code == 200 or answer.headers["WWW-Authenticate"]
        return answer.status_code

    good = prover.proof("GET", url, token)
    assert send(good, "Bearer") == send(None) == send("") == 401
    assert (send(good), send(good)) == (200, 401)
    other, stale = Prover(clock), int(clock()) - 62
    bad = [
        prover.proof("GET", url), prover.proof("GET", url, token, ath="other"), prover.proof("POST", url, token),
        prover.proof("GET", f"{url}/other", token), prover.proof("GET", "http://[", token),
        prover.proof("GET", url, token, iat=stale), prover.proof("GET", url, token, iat="x"),
        prover.proof("GET", url, token, iat=10**400), prover.proof("GET", url, token, exp=float("inf")),
        prover.proof("GET", url, token, jti=None), prover.proof("GET", url, token, htu=7),
        prover.proof("GET", url, token, header={"typ": "jwt"}), prover.proof("GET", url, token, header={"jwk": {}}),
        prover.proof("GET", url, token, header={"jwk": prover.jwk | {"d": "x"}}), other.proof("GET", url, token),
        prover.proof("GET", url, token, ath="\u00e9"), prover.proof("GET", url, token, header={"jwk": other.jwk}),
        "a.b.c", f"{good}, {good}", "x" * 9_000,
    ]  # fmt: skip
    assert {send(proof) for proof in bad} == {401}
    plain = world.issue("m2m").token
    assert send(prover.proof("GET", url, plain), token=plain) == 401
    clock.ahead = 130.0
    assert send(good) == 401 and send(prover.proof("GET", url.upper().replace(path.upper(), path), token)) == 200
    assert send(prover.proof("GET", f"{url}?y=2#z", token)) == 200


@pytest.mark.spec("RFC 8705 §3")
def test_a_certificate_bound_token_is_of_use_with_its_certificate_alone() -> None:
    claims = {"aud": "urn:a", "credential_type": "client_credentials", "jti": "1"}
    thumbprint = base64.urlsafe_b64encode(sha256(b"certificate").digest()).rstrip(b"=").decode()
    bound = read_credential(claims | {"cnf": {"x5t#S256": thumbprint}}, "urn:a", 0.0)
    assert bound is not None and bound.certificate == thumbprint
    presented, proofs = Presented("token"), Proofs(lambda: 0.0)
    for certificate in (None, b"", b"other"):
        with pytest.raises(InvalidToken):
            prove(bound, presented, Request("GET", "https://api.example/", certificate=certificate), proofs)
    prove(bound, presented, Request("GET", "https://api.example/", certificate=b"certificate"), proofs)


@pytest.mark.spec("RFC 8705 §3")
def test_a_token_that_is_bound_to_something_unknown_is_refused() -> None:
    claims = {"aud": "urn:a", "credential_type": "client_credentials", "jti": "1"}
    for cnf in ({"kid": "other"}, {"jkt": "k", "kid": "other"}, {"jkt": 7}, {"x5t#S256": None}, "jkt", ["jkt"], None):
        assert read_credential(claims | {"cnf": cnf}, "urn:a", 0.0) is None


@pytest.mark.spec("RFC 9068 §2.2")
def test_a_token_of_a_user_for_an_app_names_both() -> None:
    claims = {"aud": "urn:a", "credential_type": "oauth_token", "jti": "1", "sub": "u", "username": "ann"}
    credential = read_credential(claims | {"client_id": "app"}, "urn:a", 0.0)
    assert credential is not None
    assert (credential.subject, credential.username, credential.client_id) == ("u", "ann", "app")
