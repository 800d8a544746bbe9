"""RFC 7523 with a trusted issuer's token: a CI job or a cluster's workload is a client without any secret."""

import base64
import json
from typing import Any

import jwt
import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.clients import ClientChanges
from tests.core import ISSUER, ORDERS, contents
from tests.oauth.wire import asserted, refused
from tests.spec.client_keys import new_key
from tests.spec.test_rfc8705 import HEADER, Holder
from tests.spec.workload import BEARER, PATTERN, SUBJECT, Trusting, signed, start, stop

pytestmark = pytest.mark.both_databases

ACCESS = ("access_token", "expires_in", "scope", "token_type")


@pytest.mark.asvs("RFC 9700 §2.5")
@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
@pytest.mark.spec("RFC 7523 §2.1", "RFC 7523 §2.2")
def test_a_job_gets_a_token_by_its_own_token_alone(shared: Trusting) -> None:
    token = shared.token()
    answers = [shared.authenticate(token), shared.grant(token, client_id=shared.client_id), shared.grant(token)]
    for answer in answers:
        assert answer.status_code == 200 and sorted(answer.json) == sorted(ACCESS)
        seen = shared.wire.introspect(answer.json["access_token"])
        assert seen["active"] and seen["client_id"] == seen["sub"] == shared.client_id
    assert answers[0].json["scope"] == answers[2].json["scope"]
    shared.takes(token)  # and again, until its exp: clusters hand the same one out


@pytest.mark.spec("RFC 7523 §2.1")
def test_scope_and_resource_are_asked_for_as_with_client_credentials(shared: Trusting) -> None:
    assert shared.grant(shared.token(), scope="orders:read").json["scope"] == "orders:read"
    refused(shared.grant(shared.token(), scope="users:write"), 400, "invalid_scope")
    refused(shared.grant(shared.token(), resource="https://nobody.example"), 400, "invalid_target")


@pytest.mark.asvs("10.4.10")
@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
@pytest.mark.spec("RFC 7523 §2.2")
def test_it_authenticates_at_introspection_and_revocation_too(shared: Trusting) -> None:
    form = asserted(shared.token()) | {"client_id": shared.client_id}
    mine = shared.authenticate(shared.token()).json["access_token"]
    assert shared.wire.post("revoke", form | {"token": mine}).status_code == 200
    assert shared.wire.post("introspect", form | {"token": mine}).json == {"active": False}


@pytest.mark.asvs("6.8.1", "RFC 8725 §3.8–3.9")
@pytest.mark.contract("each claim of a trusted issuer's token is checked, its time and its type")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": None},
        {"iss": "http://127.0.0.1:1"},
        {"iss": ISSUER},
        {"iss": 7},
        {"iss": ["x"]},
        {"iss": "\x00"},
        {"sub": None},
        {"sub": "repo:acme/orders:ref:refs/tags/v1"},
        {"sub": "repo:acme/orders-evil:ref:refs/heads/main"},
        {"sub": "repo:acme/orders:ref:refs/heads/"},
        {"sub": "repo:acme/orders:ref:refs/heads/main:environment:x"},
        {"sub": "x" + SUBJECT},
        {"sub": SUBJECT.upper()},
        {"sub": PATTERN.replace("refs/heads/*", "*")},
        {"sub": [SUBJECT]},
        {"aud": None},
        {"aud": "https://elsewhere.example"},
        {"aud": f"{ISSUER}/"},
        {"aud": f"{ISSUER}/oauth/token"},
        {"aud": []},
        {"aud": {"x": ISSUER}},
        {"exp": None},
        {"exp": True},
        {"exp": 1e300},
        {"exp": "soon"},
        {"iat": "x"},
        {"nbf": []},
    ],
)
def test_each_claim_that_is_wrong_refuses_it(shared: Trusting, wrong: dict[str, Any]) -> None:
    body = {name: value for name, value in shared.claims(**wrong).items() if value is not None}
    shared.refuses(signed(shared.issuer.keys[0], body))


@pytest.mark.asvs("9.2.1")
@pytest.mark.contract("each claim of a trusted issuer's token is checked, its time and its type")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize(
    ("claim", "seconds", "good"),
    [
        ("exp", -20, True),
        ("exp", -40, False),
        ("exp", 86_400, True),
        ("exp", 86_500, False),
        ("nbf", 20, True),
        ("nbf", 40, False),
        ("iat", 20, True),
        ("iat", 40, False),
    ],
)
def test_its_time_is_now_and_at_most_a_day_ahead(shared: Trusting, claim: str, seconds: int, good: bool) -> None:
    moment = int(shared.wire.core.clock().timestamp()) + seconds
    (shared.takes if good else shared.refuses)(shared.token(**{claim: moment}))


@pytest.mark.spec("RFC 7523 §3")
def test_an_audience_among_several_will_do_and_another_may_be_agreed_on(shared: Trusting) -> None:
    shared.takes(shared.token(aud=["https://elsewhere.example", ISSUER]))
    client_id, row_id = shared.client()
    shared.trusting(row_id, audience="api://latchkey")
    shared.refuses(shared.token(), client_id)
    shared.takes(shared.token(aud="api://latchkey"), client_id)


@pytest.mark.asvs("9.2.2")
@pytest.mark.contract("each claim of a trusted issuer's token is checked, its time and its type")
@pytest.mark.spec("RFC 8725 §3.11")
@pytest.mark.parametrize(
    ("header", "good"),
    [
        ({"typ": "JWT"}, True),
        ({"typ": None}, True),
        ({"x-ci": "run 7"}, True),
        ({"typ": "at+jwt"}, False),
        ({"typ": "application/at+jwt"}, False),
        ({"typ": "AT+JWT"}, False),
        ({"typ": "token-introspection+jwt"}, False),
        ({"crit": ["x-ci"], "x-ci": "run 7"}, False),
    ],
)
def test_an_access_token_is_not_an_assertion_and_critical_headers_are_obeyed(
    shared: Trusting, header: dict[str, Any], good: bool
) -> None:
    (shared.takes if good else shared.refuses)(shared.issuer.token(shared.claims(), **header))


@pytest.mark.asvs("6.8.2", "9.1.2")
@pytest.mark.contract("each claim of a trusted issuer's token is checked, its time and its type")
@pytest.mark.spec("RFC 8725 §3.1")
def test_unsigned_symmetric_and_other_keys_are_refused(shared: Trusting) -> None:
    key, thief = shared.issuer.keys[0], new_key("RS256")
    shared.refuses(jwt.encode(shared.claims(), None, "none"))  # type: ignore[arg-type]
    shared.refuses(jwt.encode(shared.claims(), "k" * 64, "HS256", {"kid": key.kid}))
    shared.refuses(jwt.encode(shared.claims(), key.private, "RS512", {"kid": key.kid}))
    for kid in (key.kid, thief.kid, None):
        shared.refuses(thief.sign(shared.claims(), kid=kid))
    head, body, signature = shared.token().split(".")
    other = base64.urlsafe_b64encode(json.dumps(shared.claims(sub=SUBJECT + "2")).encode()).decode().rstrip("=")
    for forged in (f"{head}.{body}.", f"{head}.{other}.{signature}", f"{head}.{body}", f"{head}..{signature}"):
        shared.refuses(forged)


@pytest.mark.spec("RFC 7523 §3.1")
@pytest.mark.parametrize("garbage", ["x", "a.b.c", "..", "e30.e30.e30", "a.b.c.d.e", "ä", "\x00", "x" * 20_000])
def test_garbage_is_refused_as_everything_is(shared: Trusting, garbage: str) -> None:
    shared.refuses(garbage)
    refused(shared.grant(garbage), 400, "invalid_grant")


@pytest.mark.spec("RFC 7523 §2.1")
def test_without_an_assertion_or_in_the_url_the_request_is_invalid(shared: Trusting) -> None:
    refused(shared.grant(""), 400, "invalid_request")
    query = {"assertion": "x"}
    answer = shared.wire.post("token", {"grant_type": BEARER}, query_string=query)
    refused(answer, 400, "invalid_request")


@pytest.mark.spec("RFC 8414 §2")
def test_the_metadata_names_the_grant(shared: Trusting) -> None:
    told: Any = shared.wire.http.get("/.well-known/oauth-authorization-server").json
    assert BEARER in told["grant_types_supported"]
    assert "private_key_jwt" in told["token_endpoint_auth_methods_supported"]


@pytest.mark.asvs("6.8.1")
@pytest.mark.contract("a trusted issuer's token opens only the client that trusts it")
@pytest.mark.spec("RFC 7523 §3")
def test_one_clients_trust_opens_no_other_client(shared: Trusting) -> None:
    theirs, row_id = shared.client()
    shared.trusting(row_id, subject="repo:acme/stock:ref:refs/heads/main")
    token = shared.token(sub="repo:acme/stock:ref:refs/heads/main")
    shared.takes(token, theirs)
    shared.refuses(token)
    shared.refuses(shared.token(), theirs)
    for stranger in ("robot", "keyed", "nobody", "\x00", "x" * 300):
        shared.refuses(token, stranger)
    assert shared.wire.introspect(shared.grant(token).json["access_token"])["client_id"] == theirs


@pytest.mark.contract("a trusted issuer's token opens only the client that trusts it")
@pytest.mark.spec("RFC 7523 §3.1")
def test_a_token_that_two_clients_trust_must_say_whose_it_is(shared: Trusting) -> None:
    (one, one_row), (two, two_row) = shared.client(), shared.client()
    subject = "project:acme/shared"
    for row_id in (one_row, one_row, two_row):
        shared.trusting(row_id, subject=subject)
    token = shared.token(sub=subject)
    refused(shared.grant(token), 400, "invalid_grant")
    shared.takes(token, one)
    shared.takes(token, two)


@pytest.mark.contract("a trusted issuer's token opens only the client that trusts it")
@pytest.mark.spec("RFC 7523 §3.1")
def test_a_client_that_authenticates_besides_must_be_the_one_spoken_for(shared: Trusting) -> None:
    form = {"grant_type": BEARER, "assertion": shared.token(), "resource": ORDERS}
    refused(shared.wire.post("token", form, shared.wire.robot), 400, "invalid_grant")
    refused(shared.wire.post("token", form, ("robot", "wrong")), 401, "invalid_client")
    shared.trusting(shared.wire.core.row_id("robot"))
    answer = shared.wire.post("token", form, shared.wire.robot)
    assert shared.wire.introspect(answer.json["access_token"])["client_id"] == "robot"
    shared.takes(shared.token(), "robot")  # a client with a secret may be trusted so too
    assert shared.wire.token(shared.wire.robot).status_code == 200


@pytest.mark.asvs("RFC 8725 §3.8–3.9")
@pytest.mark.contract("each claim of a trusted issuer's token is checked, its time and its type")
@pytest.mark.spec("RFC 7523 §3")
def test_further_claims_are_demanded_to_the_letter(shared: Trusting) -> None:
    client_id, row_id = shared.client()
    shared.trusting(row_id, claims={"repository_id": "4711", "environment": "production"})
    good = {"repository_id": "4711", "environment": "production"}
    shared.takes(shared.token(**good), client_id)
    for wrong in ({"repository_id": "47110"}, {"repository_id": 4711}, {"environment": None}, {"environment": ["x"]}):
        shared.refuses(shared.token(**good | wrong), client_id)


@pytest.mark.spec("RFC 7523 §3")
def test_a_client_of_its_own_keys_goes_on_as_before(shared: Trusting) -> None:
    assert shared.wire.token(None, **shared.wire.assertion()).status_code == 200
    refused(shared.wire.token(None, **shared.wire.assertion(), client_id=shared.client_id), 401, "invalid_client")
    own = shared.wire.assertion(iss=shared.client_id, sub=shared.client_id)
    refused(shared.wire.token(None, **own), 401, "invalid_client")
    refused(shared.wire.token(None, **asserted(shared.token())), 401, "invalid_client")  # who, it does not say


@pytest.mark.asvs("6.3.4", "10.4.16")
@pytest.mark.contract("a trusted issuer's token makes a client of a CI job, without any secret")
def test_a_client_without_a_secret_accepts_none(shared: Trusting) -> None:
    for auth in ((shared.client_id, ""), (shared.client_id, "lk_sec_x")):
        refused(shared.wire.token(auth), 401, "invalid_client")


@pytest.mark.spec("RFC 9449 §5.2", "RFC 8705 §3.4")
@pytest.mark.parametrize(
    ("bound", "error"),
    [
        (ClientChanges(dpop_bound_access_tokens=True), "invalid_dpop_proof"),
        (ClientChanges(tls_client_certificate_bound_access_tokens=True), "invalid_request"),
    ],
    ids=["to a key", "to a certificate"],
)
def test_a_client_that_is_bound_gets_no_other_token_by_a_job_either(
    shared: Trusting, bound: ClientChanges, error: str
) -> None:
    client_id, row_id = shared.client()
    shared.trusting(row_id, subject="repo:acme/bound:ref:refs/heads/main")
    token = shared.token(sub="repo:acme/bound:ref:refs/heads/main")
    shared.takes(token, client_id)
    shared.wire.core.actions.clients.change(OPERATOR, row_id, bound)
    for answer in (shared.grant(token, client_id=client_id), shared.authenticate(token, client_id)):
        refused(answer, 400, error)


@pytest.mark.spec("RFC 8705 §3.4", "RFC 7523 §2.1")
def test_a_job_over_its_certificate_gets_a_token_that_is_bound_to_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    proxied = {"client_certificate_header": HEADER, "trusted_proxies": "127.0.0.1"}
    trusting, holder = start(tmp_path_factory.mktemp("proxied"), **proxied), Holder()
    try:
        bound = ClientChanges(tls_client_certificate_bound_access_tokens=True)
        trusting.wire.core.actions.clients.change(OPERATOR, trusting.row_id, bound)
        asked = {"grant_type": BEARER, "assertion": trusting.token(), "resource": ORDERS}
        for named in ({}, {"client_id": trusting.client_id}):
            answer = trusting.wire.post("token", asked | named, headers={HEADER: holder.field})
            assert answer.status_code == 200, answer.text
            assert contents(answer.json["access_token"])["cnf"] == {"x5t#S256": holder.thumbprint}
    finally:
        stop(trusting)
