"""Each gateway accepts and refuses exactly the right requests, for each kind of credential."""

import time

import pytest

from tests.dpop import Prover
from tests.gateways.conftest import KINDS, ORDERS, READ, WRITE, Shop
from tests.gateways.programs import BY_FORWARD_AUTH, Gateway, Upstream

REFUSED = {"narrow": 403, "elsewhere": 401, "revoked": 401, "expired": 401}
CONDITIONS = ("good", *REFUSED)
IDENTITY = ("credential-type", "subject", "username", "client-id", "scope", "credential-id")
CREDENTIAL_TYPE = {"pat": "personal_access_token", "api_key": "api_key", "m2m": "client_credentials"}
JWTS = ("m2m", "exchanged")
by_forward_auth = pytest.mark.parametrize("gateway", BY_FORWARD_AUTH, indirect=True)
by_mod_oauth2 = pytest.mark.parametrize("gateway", ["apache"], indirect=True)  # Bearer only, by introspection or JWKS


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def reached(upstream: Upstream) -> list[dict[str, str]]:
    """Return the requests that reached the API since the last call."""
    seen, upstream.seen = upstream.seen, []
    return seen


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_only_a_good_credential_may_write(
    gateway: Gateway, shop: Shop, upstream: Upstream, kind: str, condition: str
) -> None:
    answer = gateway.http.post("/orders", content=b"one apple", headers=bearer(shop.issue(kind, condition)))
    wanted = 200 if condition == "good" else REFUSED[condition]
    if gateway.name == "apache" and condition == "elsewhere":
        wanted = 401  # introspection reveals nothing of another API's credential
    assert answer.status_code == wanted, answer.text
    assert len(reached(upstream)) == (1 if condition == "good" else 0)
    assert answer.text == "one apple" or wanted != 200


@pytest.mark.parametrize("kind", KINDS)
def test_a_narrow_credential_may_read(gateway: Gateway, shop: Shop, upstream: Upstream, kind: str) -> None:
    answer = gateway.http.get("/orders", headers=bearer(shop.issue(kind, "narrow")))
    assert (answer.status_code, answer.text) == (200, "the orders")
    assert len(reached(upstream)) == 1


@pytest.mark.asvs("13.2.1")
@pytest.mark.spec("RFC 6750 §3")
def test_a_request_without_a_valid_credential_is_challenged(gateway: Gateway, upstream: Upstream) -> None:
    for headers in ({}, bearer("garbage"), bearer("a.b.c"), {"Authorization": "Basic eDp5"}):
        answer = gateway.http.get("/orders", headers=headers)
        assert answer.status_code == 401, headers
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert reached(upstream) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_revocation_applies_at_the_next_request(gateway: Gateway, shop: Shop, upstream: Upstream, kind: str) -> None:
    token = shop._new(kind, "good")
    assert gateway.http.get("/orders", headers=bearer(token)).status_code == 200
    assert shop.admin.revoke(token, shop.client if kind == "m2m" else None).status_code == 200
    assert gateway.http.get("/orders", headers=bearer(token)).status_code == 401
    assert len(reached(upstream)) == 1


@pytest.mark.asvs("4.1.3", "10.1.1")
def test_the_api_receives_neither_the_secret_nor_identity_headers_of_the_caller(
    gateway: Gateway, shop: Shop, upstream: Upstream
) -> None:
    token = shop.issue("api_key", "good")
    names = (
        ("sub", "jti", "client_id", "scope") if gateway.name == "apache" else IDENTITY
    )  # as the recipe forwards them
    prefix = "XAuth" if gateway.name == "apache" else "X-Auth-"
    forged = {f"{prefix}{name}": "forged" for name in names}
    assert gateway.http.get("/orders", headers=bearer(token) | forged).status_code == 200
    (seen,) = reached(upstream)
    assert token not in str(seen) and "forged" not in str(seen)


@by_forward_auth
def test_two_credentials_are_never_let_through(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    both = bearer(shop.issue("pat", "good")) | {"X-API-Key": shop.issue("api_key", "good")}
    assert 400 <= gateway.http.get("/orders", headers=both).status_code < 500
    twice = [("Authorization", f"Bearer {shop.issue('pat', 'good')}")] * 2
    assert 400 <= gateway.http.get("/orders", headers=twice).status_code < 500
    assert reached(upstream) == []


@by_forward_auth
@pytest.mark.parametrize("kind", KINDS)
def test_the_api_receives_the_owner_of_the_credential(
    gateway: Gateway, shop: Shop, upstream: Upstream, kind: str
) -> None:
    assert gateway.http.get("/orders", headers=bearer(shop.issue(kind, "good"))).status_code == 200
    (seen,) = reached(upstream)
    identity = {name: seen.get(f"x-auth-{name}", "") for name in IDENTITY}
    assert identity["credential-type"] == CREDENTIAL_TYPE.get(kind, "personal_access_token")
    assert set(identity["scope"].split()) == {READ, WRITE}
    assert identity["username"] == (shop.user.username if kind in ("pat", "exchanged") else "")
    assert identity["client-id"] == (shop.client.client_id if kind == "m2m" else "")
    assert (identity["subject"] == "") is (kind == "api_key")


@by_forward_auth
def test_a_key_may_come_in_its_own_header(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    for condition, status in (("good", 200), ("narrow", 403), ("revoked", 401)):
        headers = {"X-API-Key": shop.issue("api_key", condition)}
        assert gateway.http.post("/orders", headers=headers).status_code == status
    (seen,) = reached(upstream)
    assert "x-api-key" not in seen


@by_forward_auth
@pytest.mark.spec("RFC 6750 §3.1")
def test_a_refusal_names_the_scope_that_is_required(gateway: Gateway, shop: Shop) -> None:
    answer = gateway.http.post("/orders", headers=bearer(shop.issue("pat", "narrow")))
    assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]
    assert f'scope="{WRITE}"' in answer.headers["WWW-Authenticate"]


@by_forward_auth
def test_a_key_bound_to_other_networks_is_refused(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    for network, status in (("127.0.0.0/8", 200), ("192.0.2.0/24", 403)):
        key = shop.admin.api_key(ORDERS, allowed_ips=[network])["key"]
        answer = gateway.http.get("/orders", headers={"X-API-Key": key, "X-Forwarded-For": "192.0.2.1"})
        assert answer.status_code == status, network
    assert len(reached(upstream)) == 1


@by_forward_auth
def test_a_key_whose_limit_is_spent_is_refused(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    key = shop.admin.api_key(ORDERS, rate_limit={"requests": 2, "window_seconds": 3600})["key"]
    answers = [gateway.http.get("/orders", headers={"X-API-Key": key}).status_code for _ in range(4)]
    assert answers[:2] == [200, 200] and set(answers[2:]) <= {403, 429}
    assert len(reached(upstream)) == 2


@by_mod_oauth2
@pytest.mark.spec("RFC 9068 §4")
@pytest.mark.parametrize("kind", JWTS)
def test_by_signature_alone_only_a_jwt_for_this_api_reads(
    gateway: Gateway, shop: Shop, upstream: Upstream, kind: str
) -> None:
    wanted = {"good": 200, "narrow": 200, "elsewhere": 403, "expired": 401, "revoked": 200}
    for condition, status in wanted.items():
        answer = gateway.http.get("/local/orders", headers=bearer(shop.issue(kind, condition)))
        assert answer.status_code == status, condition
    assert len(reached(upstream)) == 3


@by_mod_oauth2
def test_by_signature_alone_opaque_tokens_and_forged_ones_are_refused(
    gateway: Gateway, shop: Shop, upstream: Upstream
) -> None:
    header, claims, signature = shop.issue("m2m", "good").split(".")
    forged = f"{header}.{claims}.{signature[::-1]}"
    for token in (shop.issue("pat", "good"), shop.issue("api_key", "good"), forged, f"{header}.{claims}."):
        assert gateway.http.get("/local/orders", headers=bearer(token)).status_code == 401
    assert reached(upstream) == []


def bound_token(shop: Shop, prover: Prover) -> str:
    """Issue a token for the orders that is bound to a key."""
    form = {"grant_type": "client_credentials", "resource": ORDERS, "scope": f"{READ} {WRITE}"}
    proof = prover.proof("POST", f"{shop.admin.issuer}/oauth/token")
    return str(shop.admin.token_request(form, shop.client, headers={"DPoP": proof}).json()["access_token"])


@pytest.mark.contract("DPoP is checked by gateways, the management API, introspection and an API in Flask")
@by_forward_auth
@pytest.mark.spec("RFC 9449 §7.1")
def test_a_bound_token_needs_a_fresh_proof_for_the_very_request(
    gateway: Gateway, shop: Shop, upstream: Upstream
) -> None:
    prover = Prover(time.time)
    token, url = bound_token(shop, prover), str(gateway.http.base_url.join("/orders"))

    def send(proof: str | None, scheme: str = "DPoP", **more: str) -> int:
        headers = {"Authorization": f"{scheme} {token}"} | ({"DPoP": proof} if proof else {}) | more
        answer = gateway.http.post("/orders?x=1", content=b"one apple", headers=headers)
        if answer.status_code == 401 and scheme == "DPoP":
            assert answer.headers["WWW-Authenticate"].startswith("DPoP")
        return answer.status_code

    good = prover.proof("POST", url, token)
    elsewhere = {"X-Original-Method": "PUT", "X-Original-URL": f"{url}/9", "X-Forwarded-Method": "PUT"}
    elsewhere |= {"X-Forwarded-Uri": "/orders/9", "X-Forwarded-Host": "elsewhere.example"}
    assert send(prover.proof("PUT", f"{url}/9", token), **elsewhere) == 401  # the caller's own header is ignored
    assert send(prover.proof("GET", url, token)) == send(None) == send(good, "Bearer") == 401
    assert send(good) == 200
    assert send(good) == 401
    assert send(prover.proof("POST", url, token), **elsewhere) == 200
    seen = reached(upstream)
    assert len(seen) == 2 and not any("dpop" in one or token in str(one) for one in seen)


@pytest.mark.asvs("10.3.5")
@pytest.mark.contract("DPoP is checked by gateways, the management API, introspection and an API in Flask")
@by_mod_oauth2
@pytest.mark.spec("RFC 9449 §7.2")
def test_a_gateway_that_does_not_check_proofs_refuses_a_bound_token(
    gateway: Gateway, shop: Shop, upstream: Upstream
) -> None:
    token = bound_token(shop, Prover(time.time))
    for path in ("/orders", "/local/orders"):
        assert gateway.http.get(path, headers=bearer(token)).status_code in (401, 403)
    assert reached(upstream) == []
