"""Sender-constrained tokens: the introspecting server checks the proof, and both lanes answer alike."""

from urllib.parse import quote_plus

import pytest
from sqlalchemy import update

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import NewClient
from app.crypto.confirmation import Confirmation
from app.models import Client
from tests.core import ISSUER, ORDERS
from tests.dpop import Prover
from tests.fast_lane.conftest import OwnLanes
from tests.fast_lane.lanes import Asked, Lanes, Reply, basic
from tests.fast_lane.test_same_introspection import Tokens
from tests.spec.test_rfc8705 import Holder

QUERY = f"resource={quote_plus(ORDERS)}"
BODY = f"grant_type=client_credentials&resource={quote_plus(ORDERS)}".encode()
API = "https://orders.example/7"
TOLD = {"X_ORIGINAL_METHOD": "GET", "X_ORIGINAL_URL": API}


def forward_auth(**headers: str) -> Asked:
    return Asked("/oauth/forward-auth", "GET", query=QUERY, headers=headers | TOLD)


def alike(lanes: Lanes, *asked: Asked) -> Reply:
    """Send a request to both lanes, each with a proof of its own; the fast one must leave it to Flask."""
    fast, plain = lanes.fast(asked[0]), lanes.plain(asked[1])
    assert fast == plain and not fast.taken
    return fast


@pytest.fixture
def prover(lanes: Lanes) -> Prover:
    return Prover(lambda: lanes.core.clock().timestamp())


def test_a_token_asked_for_with_a_proof_comes_from_behind_the_lane(lanes: Lanes, prover: Prover) -> None:
    plain = Asked("/oauth/token", body=BODY, headers={"AUTHORIZATION": basic(lanes.wire.robot)})
    assert lanes.both(plain).taken  # the very same without a proof is kept
    asked = [plain.with_headers(DPOP=prover.proof("POST", f"{ISSUER}/oauth/token")) for _ in range(2)]
    reply = alike(lanes, *asked)
    assert reply.body[2]["token_type"] == "DPoP" and reply.body[1]["cnf"] == {"jkt": prover.jkt}
    assert alike(lanes, *asked).status == "400 BAD REQUEST"  # used up, whichever lane it came by
    assert lanes.both(plain).body[2]["token_type"] == "Bearer"


@pytest.mark.asvs("10.4.14")
@pytest.mark.contract("the fast lane leaves bound tokens to the code that checks proofs")
def test_a_client_that_is_bound_is_left_as_soon_as_it_is(lanes: Lanes) -> None:
    for name in ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens"):
        lanes.core.client(name, "worker")
        pair = (name, lanes.core.client_secret(name))
        asked = Asked("/oauth/token", body=BODY, headers={"AUTHORIZATION": basic(pair)})
        assert lanes.both(asked).taken
        with lanes.core.store.transaction() as session:
            session.execute(update(Client).where(Client.client_id == name).values({name: True}))
        reply = lanes.both(asked)
        assert reply.status == "400 BAD REQUEST" and not reply.taken


@pytest.mark.contract("the fast lane leaves bound tokens to the code that checks proofs")
def test_a_gateway_gets_the_same_answer_for_a_bound_token(lanes: Lanes, prover: Prover) -> None:
    bound = lanes.wire.post(
        "token",
        {"grant_type": "client_credentials", "resource": ORDERS},
        lanes.wire.robot,
        headers={"DPoP": prover.proof("POST", f"{ISSUER}/oauth/token")},
    ).json["access_token"]
    asked = [forward_auth(AUTHORIZATION=f"DPoP {bound}", DPOP=prover.proof("GET", API, bound)) for _ in range(2)]
    assert alike(lanes, *asked).status == "200 OK"
    assert alike(lanes, *asked).status == "401 UNAUTHORIZED"
    for way in ({"AUTHORIZATION": f"Bearer {bound}"}, {"AUTHORIZATION": f"DPoP {bound}"}, {"X_API_KEY": bound}):
        reply = lanes.both(forward_auth(**way))
        assert reply.status == "401 UNAUTHORIZED" and not reply.taken


def test_an_unbound_token_is_refused_as_dpop_and_still_cached_as_bearer(lanes: Lanes, tokens: Tokens) -> None:
    for name in ("pat", "key", "m2m", "exchanged pat"):
        assert lanes.both(forward_auth(AUTHORIZATION=f"Bearer {tokens[name]}")).taken
        assert lanes.both(forward_auth(AUTHORIZATION=f"DPoP {tokens[name]}")).status == "401 UNAUTHORIZED"


def test_a_certificate_opens_the_same_by_both_lanes(own_lanes: OwnLanes) -> None:
    lanes = own_lanes(trusted_proxies="127.0.0.0/8", client_certificate_header="ClientCert")
    holder, core = Holder(), lanes.core
    new = NewClient("x", "self_signed_tls_client_auth", {"keys": [holder.jwk()]}, roles=("worker",))
    view, _ = core.actions.clients.create(OPERATOR, new)
    by_certificate = Asked("/oauth/token", body=BODY + f"&client_id={view.client_id}".encode())
    assert lanes.both(by_certificate.with_headers(CLIENTCERT=holder.field)).status == "200 OK"
    assert lanes.both(by_certificate.with_headers(CLIENTCERT=Holder().field)).status == "401 UNAUTHORIZED"
    issue, bound = core.actions.issue_machine_token, Confirmation(x5t_s256=holder.thumbprint)
    token = issue.sign(issue.decide(core.row_id("robot"), "robot", None, [ORDERS], bound)).token
    asked = forward_auth(AUTHORIZATION=f"Bearer {token}")
    for handed, status in ((holder.field, "200 OK"), (Holder().field, "401 UNAUTHORIZED"), ("", "401 UNAUTHORIZED")):
        reply = lanes.both(asked.with_headers(CLIENTCERT=handed))
        assert reply.status == status and not reply.taken
    assert lanes.both(asked).status == "401 UNAUTHORIZED"
