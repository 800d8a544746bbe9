"""RFC 7523 with a trusted issuer's token: where its keys are from, and what ends the trust."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientChanges
from app.models import FederatedCredential
from tests.api import Admin, expect, unique
from tests.core import ISSUER, ORDERS
from tests.spec.client_keys import assertion, new_key
from tests.spec.oidc_issuer import OidcIssuer
from tests.spec.workload import BEARER, SUBJECT, Trusting, signed, start, stop


@pytest.mark.spec("RFC 7517 §5")
def test_keys_may_be_registered_where_nobody_reaches_the_cluster(shared: Trusting) -> None:
    key, (client_id, row_id) = new_key("ES256"), shared.client()
    cluster, subject = "https://kubernetes.default.svc.cluster.local", "system:serviceaccount:ci:deployer"
    shared.trusting(row_id, issuer=cluster, subject=subject, jwks={"keys": [key.public]})
    shared.takes(signed(key, shared.claims(iss=cluster, sub=subject)), client_id)
    shared.takes(key.sign(shared.claims(iss=cluster, sub=subject), kid=None), client_id)
    shared.refuses(shared.issuer.token(shared.claims(iss=cluster, sub=subject)), client_id)
    nameless, (another, its_row) = new_key("EdDSA"), shared.client()
    bare = {name: value for name, value in nameless.public.items() if name != "kid"}
    shared.trusting(its_row, issuer=cluster, subject=subject, jwks={"keys": [bare]})
    shared.takes(signed(nameless, shared.claims(iss=cluster, sub=subject)), another)


@pytest.mark.spec("RFC 7517 §5")
def test_a_key_that_is_not_understood_is_passed_over(own: Trusting) -> None:
    strange = [7, None, {}, {"kty": "oct", "k": "AA"}, {"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}]
    own.issuer.answers["/keys"] = json.dumps({"keys": [*strange, own.issuer.keys[0].public]}).encode()
    own.takes(own.token())


@pytest.mark.contract("the issuer's keys are found, follow their rotation, and fail closed")
@pytest.mark.spec("RFC 7523 §3")
def test_the_issuer_may_change_its_keys(own: Trusting) -> None:
    own.takes(own.token())
    assert own.issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}  # kept for a while
    before = own.issuer.keys
    own.issuer.keys = [new_key("ES256"), *before]
    own.wire.core.clock.advance(seconds=31)
    own.takes(own.token())
    own.takes(before[0].sign(own.claims()))
    own.issuer.keys = own.issuer.keys[:1]
    own.wire.core.clock.advance(seconds=301)
    own.refuses(before[0].sign(own.claims()))
    own.takes(own.token())


@pytest.mark.asvs("9.1.3")
@pytest.mark.contract("the issuer's keys are found, follow their rotation, and fail closed")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/keys"])
@pytest.mark.parametrize(
    "answer", [b"", b"not json", b"[]", b"{}", b'{"keys": 7}', b"\xff", b"[" * 50_000, b" " * 5_000_000]
)
def test_whatever_the_issuer_answers_instead_nobody_gets_in(shared: Trusting, path: str, answer: bytes) -> None:
    broken = OidcIssuer(*shared.issuer.keys)
    client_id, row_id = shared.client()
    shared.trusting(row_id, issuer=broken.url)
    broken.answers[path] = answer
    shared.refuses(broken.token(shared.claims(iss=broken.url)), client_id)
    broken.close()


@pytest.mark.asvs("9.1.3")
@pytest.mark.contract("the issuer's keys are found, follow their rotation, and fail closed")
@pytest.mark.spec("RFC 7523 §3")
def test_discovery_must_be_of_the_issuer_and_name_an_address_that_may_be_asked(shared: Trusting) -> None:
    keys = f"{shared.issuer.url}/keys"
    for told in (
        {"issuer": shared.issuer.url, "jwks_uri": keys},
        {"jwks_uri": keys},
        {"issuer": "SELF", "jwks_uri": "file:///etc/passwd"},
        {"issuer": "SELF", "jwks_uri": 7},
        {"issuer": "SELF", "jwks_uri": "http://127.0.0.1:1/keys"},
        {"issuer": "SELF", "jwks_uri": "x" * 3000},
        {"issuer": "SELF", "jwks_uri": "/keys"},
        {"issuer": "SELF", "jwks_uri": "http://[::1/keys"},
        {"issuer": "SELF", "jwks_uri": "http://\ud800/"},
        {"issuer": "SELF", "jwks_uri": "http://ä\x00/"},
        {"issuer": "SELF"},
    ):
        liar = OidcIssuer(*shared.issuer.keys)
        liar.answers["/.well-known/openid-configuration"] = json.dumps(told).replace("SELF", liar.url).encode()
        client_id, row_id = shared.client()
        shared.trusting(row_id, issuer=liar.url)
        shared.refuses(liar.token(shared.claims(iss=liar.url)), client_id)
        liar.close()


@pytest.mark.asvs("16.5.2")
@pytest.mark.contract("the issuer's keys are found, follow their rotation, and fail closed")
@pytest.mark.spec("RFC 7523 §3")
def test_an_issuer_that_is_down_lets_nobody_in(own: Trusting) -> None:
    own.issuer.close()
    own.refuses(own.token())


def test_a_token_has_the_keys_of_one_source_fetched_at_a_time(own: Trusting) -> None:
    """Addresses that hang would otherwise hang the request one after another."""
    client_id, row_id = own.client()
    for number in range(3):
        own.issuer.answers[f"/{number}"] = b"{}" if number else own.issuer.body("/keys") or b""
        own.trusting(row_id, jwks_uri=f"{own.issuer.url}/{number}")
    token, answers = own.token(), []
    for asked in range(1, 4):
        answers.append(own.authenticate(token, client_id).status_code)
        assert sum(own.issuer.asked.values()) == asked
    own.takes(token, client_id)  # from what is kept, whichever came first
    assert answers[-1] == 200 and sum(own.issuer.asked.values()) == 3


@pytest.mark.asvs("13.2.4")
@pytest.mark.contract("the issuer's keys are found, follow their rotation, and fail closed")
def test_an_issuer_on_a_private_address_is_not_asked_unless_that_is_allowed(own: Trusting) -> None:
    fetch: Any = own.wire.core.actions.fetch_jwks
    fetch._fetch_json._allow_private = False
    own.refuses(own.token())
    assert own.issuer.asked == {}


@pytest.mark.contract("trust that is taken away ends at the next request to any node")
def test_what_is_taken_away_is_refused_at_the_next_request(own: Trusting) -> None:
    actions = own.wire.core.actions
    own.takes(own.token())
    another = create_app(actions.settings, own.wire.core.clock)
    node = replace(own, wire=replace(own.wire, http=another.test_client()))
    node.takes(own.token())
    actions.clients.change(OPERATOR, own.row_id, ClientChanges(enabled=False))
    node.refuses(own.token())
    actions.clients.change(OPERATOR, own.row_id, ClientChanges(enabled=True))
    node.takes(own.token())
    actions.federated_credentials.delete(OPERATOR, own.row_id, own.trust.id)
    node.refuses(own.token())
    own.trusting(own.row_id)
    actions.clients.delete(OPERATOR, own.row_id)
    node.refuses(own.token())
    another.actions.store.dispose()


@pytest.mark.asvs("6.8.1")
@pytest.mark.contract("a trusted issuer's token opens only the client that trusts it")
def test_our_own_tokens_never_prove_who_somebody_is(own: Trusting) -> None:
    ours = own.authenticate(own.token()).json["access_token"]
    with own.wire.core.store.connection() as connection:
        published = own.wire.core.actions.signing_keys.published(connection, own.wire.core.clock())
    key = new_key("ES256")
    for keys in (published, [key.public]):
        row = own.trusting(own.row_id, subject=own.client_id, audience=ORDERS, jwks={"keys": keys})
        with own.wire.core.store.transaction() as session:  # as if somebody had written it past the check
            session.get_one(FederatedCredential, row.id).issuer = ISSUER
    own.refuses(ours)
    own.refuses(key.sign(own.claims(iss=ISSUER, sub=own.client_id, aud=ORDERS)))


@pytest.mark.contract("the issuer's keys are found, follow their rotation, and fail closed")
def test_who_fails_too_often_waits_and_nothing_is_fetched_for_them(tmp_path: Path) -> None:
    made = start(tmp_path, rate_limits="on")
    for _ in range(15):
        made.refuses("x")
    unknown = new_key("RS256").sign(made.claims())
    for answer in (made.authenticate(unknown), made.grant(unknown, client_id=made.client_id)):
        assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    assert made.issuer.asked == {}
    made.wire.core.clock.advance(seconds=61)
    made.takes(made.token())
    stop(made)


def test_every_failure_leaves_a_trace_without_the_token(own: Trusting) -> None:
    token = own.token(sub="repo:acme/evil")
    own.refuses(token)
    traces = own.wire.core.trace("authentication.fail")
    assert [trace.target for trace in traces] == [own.client_id] * 2
    assert not any(token.split(".")[2] in str(vars(trace)) for trace in traces)


@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
@pytest.mark.spec("RFC 7523 §2.1", "RFC 7523 §2.2")
def test_a_job_needs_no_secret_over_http(configured: Admin) -> None:
    admin, issuer, scope = configured, OidcIssuer(), unique("thing") + ":read"
    resource = admin.resource(permissions=[scope])["identifier"]
    client = admin.client([admin.role("machine", [scope])], token_endpoint_auth_method="federated_jwt")
    path = f"/clients/{client.id}/federated-credentials"
    kept = admin.create(path, {"name": "CI", "issuer": issuer.url, "subject": SUBJECT, "audience": "ci"})
    token = issuer.token({"iss": issuer.url, "sub": SUBJECT, "aud": "ci", "exp": int(time.time()) + 300})
    forms = (
        {"grant_type": BEARER, "assertion": token, "resource": resource},
        {"grant_type": "client_credentials", "client_id": client.client_id, "resource": resource} | assertion(token),
    )
    for form in forms:
        assert expect(200, admin.token_request(form)).json()["scope"] == scope
    expect(204, admin.delete(f"{path}/{kept['id']}"))
    assert [admin.token_request(form).json()["error"] for form in forms] == ["invalid_grant", "invalid_client"]
    issuer.close()
