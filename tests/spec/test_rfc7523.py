"""RFC 7523: clients that authenticate with a key (private_key_jwt)."""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.api import Admin, Client, expect, unique
from tests.contract.refusals import oauth_error
from tests.spec.client_keys import ALGORITHMS, Key, assertion, claims, new_key, register

pytestmark = pytest.mark.both_databases

GRANT = {"grant_type": "client_credentials"}


@pytest.fixture(scope="module")
def key() -> Key:
    """The key of `client`."""
    return new_key("ES256")


@pytest.fixture(scope="module")
def client(admin: Admin, key: Key) -> Client:
    """A client with a key and a role."""
    scope = unique("thing") + ":read"
    admin.resource(permissions=[scope])
    return register(admin, key, roles=[admin.role("machine", [scope])])


def ask(admin: Admin, signed: str, **form: str) -> httpx.Response:
    return admin.token_request(GRANT | assertion(signed) | form)


def refused(admin: Admin, signed: str) -> None:
    oauth_error(ask(admin, signed), 401, "invalid_client")


@pytest.mark.asvs("RFC 9700 §2.5", "11.4.3")
@pytest.mark.contract(
    "an M2M token by client id and secret, or a private key",
    "`private_key_jwt`: ES256, RS256, PS256, EdDSA and no other",
)
@pytest.mark.spec("RFC 7523 §2.2")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_of_the_contract_works(admin: Admin, algorithm: str) -> None:
    scope, own = unique("thing") + ":read", new_key(algorithm)
    admin.resource(permissions=[scope])
    client = register(admin, own, roles=[admin.role("machine", [scope])])
    answer = expect(200, ask(admin, own.sign(claims(client, admin.issuer)))).json()
    assert answer["scope"] == scope


@pytest.mark.contract("an assertion's `aud`: the issuer, or the URL of the endpoint called or of the token endpoint")
@pytest.mark.spec("RFC 7523 §3")
def test_the_audience_is_the_issuer_or_the_url_of_the_endpoint_called(admin: Admin, key: Key, client: Client) -> None:
    for audience in (admin.issuer, f"{admin.issuer}/oauth/token"):
        expect(200, ask(admin, key.sign(claims(client, audience))))
    for audience in ("https://elsewhere.example", f"{admin.issuer}/oauth/introspect", f"{admin.issuer}x", ""):
        refused(admin, key.sign(claims(client, audience)))
    refused(admin, key.sign(claims(client, admin.issuer, aud=None)))


@pytest.mark.contract("an assertion's `aud`: the issuer, or the URL of the endpoint called or of the token endpoint")
@pytest.mark.spec("RFC 7523 §3")
def test_introspection_and_revocation_take_their_own_url_or_the_token_endpoints_as_audience(
    admin: Admin, key: Key
) -> None:
    scope = unique("thing") + ":read"
    resource = admin.resource(permissions=[scope])
    client = register(admin, key, serves=[resource], roles=[admin.role("machine", [scope])])
    token = expect(200, ask(admin, key.sign(claims(client, admin.issuer)))).json()["access_token"]
    for endpoint in ("introspect", "revoke"):
        for audience in ("token", "introspect", "revoke", "authorize", "forward-auth"):
            signed = key.sign(claims(client, f"{admin.issuer}/oauth/{audience}"))
            response = admin.http.post(f"/oauth/{endpoint}", data={"token": token} | assertion(signed))
            assert response.status_code == (200 if audience in (endpoint, "token") else 401), (endpoint, audience)
    assert not admin.active(token)


@pytest.mark.spec("RFC 7523 §3")
def test_a_client_id_beside_the_assertion_must_be_the_same(admin: Admin, key: Key, client: Client) -> None:
    expect(200, ask(admin, key.sign(claims(client, admin.issuer)), client_id=client.client_id))
    other = ask(admin, key.sign(claims(client, admin.issuer)), client_id=admin.bootstrap_client.client_id)
    assert other.status_code in (400, 401) and other.json()["error"] in ("invalid_request", "invalid_client")


@pytest.mark.contract("an assertion's `exp`: an hour ahead at most, 30 s of leeway")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    ("ahead", "good"), [(5, True), (3590, True), (3700, False), (31_536_000, False), (-20, True), (-60, False)]
)
def test_it_ends_at_most_an_hour_ahead_with_thirty_seconds_of_leeway(
    admin: Admin, key: Key, client: Client, ahead: int, good: bool
) -> None:
    response = ask(admin, key.sign(claims(client, admin.issuer, exp=int(time.time()) + ahead, iat=None)))
    assert response.status_code == (200 if good else 401), response.text


@pytest.mark.asvs("RFC 8725 §3.8–3.9")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    "wrong",
    [
        {"exp": None},
        {"exp": "soon"},
        {"exp": 1e300},
        {"exp": True},
        {"exp": [1]},
        {"iss": None},
        {"sub": None},
        {"iss": "other"},
        {"sub": "other"},
        {"iss": 7},
        {"sub": ["x"]},
        {"aud": 7},
        {"aud": []},
        {"nbf": 2**33},
        {"nbf": "x"},
        {"jti": 7},
        {"jti": {}},
    ],
)
def test_a_wrong_claim_is_invalid_client(admin: Admin, key: Key, client: Client, wrong: dict[str, Any]) -> None:
    body = claims(client, admin.issuer) | wrong
    signed = _signed(key, {name: value for name, value in body.items() if value is not None})
    refused(admin, signed)


@pytest.mark.asvs("6.8.3", "10.4.16")
@pytest.mark.contract("an assertion's `jti`: single use")
@pytest.mark.spec("RFC 7523 §3")
def test_an_assertion_works_once(admin: Admin, key: Key, client: Client) -> None:
    signed = key.sign(claims(client, admin.issuer))
    expect(200, ask(admin, signed))
    refused(admin, signed)
    again = claims(client, admin.issuer)
    for _ in range(2):  # not the string, the jti
        response = ask(admin, key.sign(again | {"exp": again["exp"] + 1}))
    oauth_error(response, 401, "invalid_client")


@pytest.mark.spec("RFC 7523 §3")
def test_two_clients_may_use_the_same_jti(admin: Admin, key: Key, client: Client) -> None:
    other = register(admin, key, roles=[])
    expect(200, ask(admin, key.sign(claims(client, admin.issuer, jti="the-same"))))
    response = ask(admin, key.sign(claims(other, admin.issuer, jti="the-same")))
    oauth_error(response, 400, "invalid_scope")  # authenticated: it only has no role


@pytest.mark.asvs("6.8.2")
@pytest.mark.contract("HS256 among its algorithms")
@pytest.mark.spec("RFC 7523 §3", "RFC 8725 §3.1")
def test_unsigned_and_symmetric_assertions_are_refused(admin: Admin, key: Key, client: Client) -> None:
    body = claims(client, admin.issuer)
    refused(admin, jwt.encode(body, None, "none"))  # type: ignore[arg-type]
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for secret in (json.dumps(key.public).encode(), pem, b""):  # what everybody knows of the client
        refused(admin, _by_hmac(claims(client, admin.issuer), secret, key.kid))
    head, payload, _ = key.sign(body).split(".")
    refused(admin, f"{head}.{payload}.")


@pytest.mark.asvs("9.1.2", "RFC 8725 §3.1–3.2")
@pytest.mark.contract("`private_key_jwt`: ES256, RS256, PS256, EdDSA and no other")
@pytest.mark.spec("RFC 7523 §3", "RFC 8725 §3.1")
@pytest.mark.parametrize("algorithm", ["RS384", "RS512", "PS512", "HS512"])
def test_an_algorithm_that_the_contract_does_not_name_is_refused(admin: Admin, algorithm: str) -> None:
    own = new_key("RS256")
    public = {name: value for name, value in own.public.items() if name != "alg"}
    client = admin.client(token_endpoint_auth_method="private_key_jwt", jwks={"keys": [public]})
    signing: Any = "x" * 64 if algorithm == "HS512" else own.private
    refused(admin, jwt.encode(claims(client, admin.issuer), signing, algorithm, {"kid": own.kid}))


@pytest.mark.asvs("6.8.2")
@pytest.mark.spec("RFC 7523 §3")
def test_another_key_is_refused_whatever_kid_it_claims(admin: Admin, key: Key, client: Client) -> None:
    thief = new_key("ES256")
    for kid in (key.kid, thief.kid, None):
        refused(admin, thief.sign(claims(client, admin.issuer), kid=kid))


@pytest.mark.spec("RFC 7523 §3")
def test_the_key_is_found_by_kid_or_without_one(admin: Admin, key: Key, client: Client) -> None:
    scope, further = unique("thing") + ":read", new_key("RS256")
    admin.resource(permissions=[scope])
    both = register(admin, key, further, roles=[admin.role("machine", [scope])])
    for own in (key, further):
        expect(200, ask(admin, own.sign(claims(both, admin.issuer))))
    expect(200, ask(admin, key.sign(claims(client, admin.issuer), kid=None)))


@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    "garbage", ["x", "a.b.c", "..", "e30.e30.e30", "eyJhbGciOiJFUzI1NiJ9.bnVsbA.AA", "ä", "\x00", "x" * 20_000]
)
def test_garbage_is_invalid_client(admin: Admin, garbage: str) -> None:
    refused(admin, garbage)


@pytest.mark.spec("RFC 7523 §2.2")
def test_another_assertion_type_is_refused(admin: Admin, key: Key, client: Client) -> None:
    form = GRANT | assertion(key.sign(claims(client, admin.issuer)))
    for type_ in ("urn:ietf:params:oauth:client-assertion-type:saml2-bearer", "x"):
        response = admin.token_request(form | {"client_assertion_type": type_})
        assert response.status_code in (400, 401)
        assert response.json()["error"] in ("invalid_request", "invalid_client")


@pytest.mark.asvs("10.4.16")
@pytest.mark.contract("a client registered for keys never authenticates by secret")
@pytest.mark.spec("RFC 7523 §2.2")
def test_a_client_registered_for_keys_never_authenticates_by_secret(admin: Admin, key: Key) -> None:
    scope = unique("thing") + ":read"
    admin.resource(permissions=[scope])
    client = admin.client([admin.role("machine", [scope])])
    expect(200, admin.token_request(GRANT, client))
    admin.change(
        f"/clients/{client.id}", {"token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public]}}
    )
    in_body = {"client_id": client.client_id, "client_secret": client.client_secret}
    oauth_error(admin.token_request(GRANT, client), 401, "invalid_client")
    oauth_error(admin.token_request(GRANT | in_body), 401, "invalid_client")
    expect(200, ask(admin, key.sign(claims(client, admin.issuer))))


@pytest.mark.spec("RFC 7523 §2.2")
def test_a_client_registered_for_a_secret_never_authenticates_by_assertion(admin: Admin, key: Key) -> None:
    client = admin.client()
    refused(admin, key.sign(claims(client, admin.issuer)))
    refused(admin, jwt.encode(claims(client, admin.issuer), client.client_secret, "HS256"))


@pytest.mark.spec("RFC 7523 §2.2")
def test_creating_such_a_client_answers_no_secret_and_no_private_key(admin: Admin, key: Key) -> None:
    body = {"name": unique("client"), "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.public]}}
    made = admin.create("/clients", body)
    assert made.get("client_secret") is None
    assert made["jwks"]["keys"][0]["x"] == key.public["x"]


@pytest.mark.asvs("RFC 8725 §3.4", "11.6.1")
@pytest.mark.spec("RFC 7517 §9.2")
def test_a_private_or_symmetric_key_cannot_be_registered(admin: Admin, key: Key) -> None:
    private = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key.private))
    symmetric = {"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 32).decode().rstrip("=")}
    for wrong in (private, symmetric, {"kty": "EC"}, {}):
        body = {"name": unique("c"), "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [wrong]}}
        expect(422, admin.post("/clients", body))


def _signed(key: Key, body: dict[str, Any]) -> str:
    """Sign any JSON at all: PyJWT refuses some claims that it thinks wrong."""
    return jwt.PyJWS().encode(json.dumps(body).encode(), key.private, key.algorithm, {"kid": key.kid, "typ": "JWT"})


def _by_hmac(body: dict[str, Any], secret: bytes, kid: str) -> str:
    """Sign with any bytes at all as an HMAC secret: PyJWT refuses to take a public key for one."""

    def encoded(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    parts = [encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "kid": kid}, body)]
    signing_input = ".".join(parts)
    return f"{signing_input}.{encoded(hmac.new(secret, signing_input.encode(), hashlib.sha256).digest())}"
