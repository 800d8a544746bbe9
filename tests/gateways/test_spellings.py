"""WSGI reads a header name with an underscore as the one with a hyphen (PEP 3333): no gateway forwards it."""

import base64
import itertools
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.dpop import Prover
from tests.gateways.conftest import ORDERS, READ, WRITE, Shop
from tests.gateways.programs import Gateway, Upstream
from tests.gateways.test_recipes import IDENTITY, bearer, bound_token, by_forward_auth, by_mod_oauth2, reached
from tests.spec.test_rfc8705 import Holder


def spellings(name: str) -> list[str]:
    """Return the name with every other combination of hyphens and underscores."""
    parts = name.split("-")
    joints = list(itertools.product("-_", repeat=len(parts) - 1))[1:]
    return ["".join(itertools.chain(*zip(parts, (*joint, ""), strict=True))) for joint in joints]


@pytest.mark.asvs("4.1.3")
@pytest.mark.contract(
    "a header name with underscores never counts as a proxy's; doctor says which proxy passes them on"
)
@by_forward_auth
@pytest.mark.parametrize("spelt", spellings("X-Forwarded-For"))
def test_the_gateway_sets_the_callers_address(gateway: Gateway, shop: Shop, upstream: Upstream, spelt: str) -> None:
    key = shop.admin.api_key(ORDERS, allowed_ips=["192.0.2.0/24"])["key"]
    assert gateway.http.get("/orders", headers={"X-API-Key": key, spelt: "192.0.2.1"}).status_code == 403
    assert reached(upstream) == []


@pytest.mark.contract(
    "a header name with underscores never counts as a proxy's; doctor says which proxy passes them on"
)
@by_forward_auth
@pytest.mark.spec("RFC 9449 §4.3")
def test_the_gateway_sets_the_request_that_a_proof_is_for(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    prover = Prover(time.time)
    token, url = bound_token(shop, prover), gateway.http.base_url
    forwarded = {"Method": "PUT", "Uri": "/harmless", "Host": f"{url.host}:{url.port}", "Proto": "http"}
    headers = {spelt: value for name, value in forwarded.items() for spelt in spellings(f"X-Forwarded-{name}")}
    headers |= dict.fromkeys(spellings("X-Original-Method"), "PUT")
    headers |= {spelt: str(url.join("/harmless")) for spelt in spellings("X-Original-URL")}
    headers |= {"Authorization": f"DPoP {token}", "DPoP": prover.proof("PUT", str(url.join("/harmless")), token)}
    assert gateway.http.post("/orders", headers=headers).status_code == 401
    headers["DPoP"] = prover.proof("POST", str(url.join("/orders")), token)
    assert gateway.http.post("/orders", headers=headers).status_code == 200
    assert len(reached(upstream)) == 1


@pytest.mark.asvs("4.1.3")
@pytest.mark.contract(
    "a header name with underscores never counts as a proxy's; doctor says which proxy passes them on"
)
@by_forward_auth
@pytest.mark.spec("RFC 9440 §4")
def test_a_caller_cannot_set_its_certificate(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    now = datetime.now(UTC)
    holder = Holder(during=(now - timedelta(days=1), now + timedelta(days=1)))
    certificate = {"ClientCert": f":{base64.b64encode(holder.der).decode()}:"}
    client = shop.admin.client(
        [shop.admin.role("machine", [READ, WRITE])], tls_client_certificate_bound_access_tokens=True
    )
    form = {"grant_type": "client_credentials", "resource": ORDERS}
    token = shop.admin.token_request(form, client, headers=certificate).json()["access_token"]
    asked = f"{shop.admin.issuer}/oauth/forward-auth?resource={ORDERS}"
    assert httpx.get(asked, headers=bearer(token) | certificate, trust_env=False, verify=False).status_code == 200
    assert gateway.http.get("/orders", headers=bearer(token) | certificate).status_code == 401
    assert reached(upstream) == []


@pytest.mark.contract(
    "a header name with underscores never counts as a proxy's; doctor says which proxy passes them on"
)
@by_forward_auth
def test_a_caller_cannot_set_the_identity_headers(gateway: Gateway, shop: Shop, upstream: Upstream) -> None:
    forged = {spelt: "forged" for name in IDENTITY for spelt in spellings(f"X-Auth-{name}")}
    assert gateway.http.get("/orders", headers=bearer(shop.issue("pat", "good")) | forged).status_code == 200
    (seen,) = reached(upstream)
    assert "forged" not in str(seen)


@pytest.mark.contract(
    "a header name with underscores never counts as a proxy's; doctor says which proxy passes them on"
)
@by_mod_oauth2
@pytest.mark.parametrize("path", ["/orders", "/local/orders"])
def test_a_caller_cannot_set_the_identity_headers_of_apache(
    gateway: Gateway, shop: Shop, upstream: Upstream, path: str
) -> None:
    forged = dict.fromkeys(["XAuthclient-id", "xauthCLIENT-ID", "XAuthsub", "XAUTHSCOPE", "XAuthnew-claim"], "forged")
    assert gateway.http.get(path, headers=bearer(shop.issue("m2m", "good")) | forged).status_code == 200
    (seen,) = reached(upstream)
    assert seen["xauthclient_id"] == shop.client.client_id
    assert "forged" not in str(seen)
