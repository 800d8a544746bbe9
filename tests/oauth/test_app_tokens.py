"""An app gets tokens for a user: by a code, by a refresh token (RFC 6749 §4.1, §6)."""

from typing import Any

import jwt
import pytest

from tests.core import contents
from tests.dpop import Prover
from tests.oauth import authorizing
from tests.oauth.authorizing import CALLBACK, Person, redeem, refresh, register
from tests.oauth.wire import ISSUER, ORDERS, STOCK, Wire, refused

TOKEN_URL = f"{ISSUER}/oauth/token"


@pytest.fixture(scope="module")
def apps(wire: Wire) -> Wire:
    """The wire with a public app, a second one, and a confidential one."""
    register(wire, "app")
    register(wire, "other")
    register(wire, "backend", method="client_secret_basic")
    register(wire, "once", grant_types=["authorization_code"])
    return wire


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


@pytest.mark.spec("RFC 6749 §4.1.4")
@pytest.mark.spec("RFC 9068 §2.2")
def test_the_whole_way_from_the_request_to_refreshed_tokens(alice: Person) -> None:
    answer = alice.tokens()
    assert set(answer) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert (answer["token_type"], answer["scope"], answer["expires_in"]) == ("Bearer", "orders:read", 3600)
    claims = contents(answer["access_token"])
    assert jwt.get_unverified_header(answer["access_token"])["typ"] == "at+jwt"
    assert claims["sub"] == alice.wire.core.row_id("alice") and claims["client_id"] == "app"
    assert claims["aud"] == ORDERS
    again = refresh(alice.wire, answer["refresh_token"])
    assert again.status_code == 200 and set(again.json) == set(answer)
    assert again.json["refresh_token"] != answer["refresh_token"]
    assert again.headers["Cache-Control"] == "no-store"


# --- the code


@pytest.mark.spec("RFC 6749 §4.1.3")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code": None}, "invalid_request"),
        ({"code": "lk_code_x"}, "invalid_grant"),
        ({"code": '"\\é'}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": "short"}, "invalid_request"),
        ({"code_verifier": authorizing.VERIFIER + "\n"}, "invalid_request"),
        ({"code_verifier": "é" * 43}, "invalid_request"),
        ({"code_verifier": "A" * 43}, "invalid_grant"),
        ({"code_verifier": authorizing.CHALLENGE}, "invalid_grant"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"scope": "orders:write"}, "invalid_scope"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"resource": STOCK}, "invalid_target"),
    ],
)
def test_a_code_needs_all_that_it_is_bound_to_and_a_failure_does_not_spend_it(
    alice: Person, changed: dict[str, Any], error: str
) -> None:
    code = alice.authorize()
    sent = {"code": code, "client_id": "app"} | changed
    refused(redeem(alice.wire, sent.pop("code"), **sent), 400, error)
    assert redeem(alice.wire, code, client_id="app").status_code == 200


@pytest.mark.spec("RFC 6749 §4.1.3")
def test_a_redirect_uri_that_was_left_out_may_be_sent_if_it_is_the_registered_one(alice: Person) -> None:
    for sent in (None, CALLBACK):
        code = alice.authorize(redirect_uri=None)
        refused(redeem(alice.wire, code, client_id="app", redirect_uri="https://evil.example/"), 400, "invalid_grant")
        assert redeem(alice.wire, code, client_id="app", redirect_uri=sent).status_code == 200


@pytest.mark.spec("RFC 6749 §4.1.2")
@pytest.mark.asvs("10.4.3")
def test_a_code_is_valid_for_a_minute(own_wire: Any) -> None:
    site = own_wire()
    register(site, "app")
    alice = Person(site)
    alice.sign_in()
    first, second = alice.authorize(), alice.authorize()
    site.core.clock.advance(seconds=59)
    assert redeem(site, first, client_id="app").status_code == 200
    site.core.clock.advance(seconds=1)
    refused(redeem(site, second, client_id="app"), 400, "invalid_grant")


@pytest.mark.spec("RFC 6749 §3.2.1")
@pytest.mark.asvs("10.4.10")
def test_the_client_is_authenticated_before_its_code_is_looked_at(alice: Person) -> None:
    wire = alice.wire
    backend = ("backend", wire.core.client_secret("backend"))
    code = alice.authorize("backend")
    for auth, form in ((None, {"client_id": "backend"}), (("backend", "wrong"), {}), (("app", "x"), {}), (None, {})):
        for presented in (code, None, "nonsense"):
            refused(redeem(wire, presented, auth, **form), 401, "invalid_client")
    answer = redeem(wire, code, backend)
    assert answer.status_code == 200
    for auth, form in ((None, {"client_id": "backend"}), (("backend", "wrong"), {})):
        for token in (answer.json["refresh_token"], "nonsense"):
            sent = {"grant_type": "refresh_token", "refresh_token": token} | form
            refused(wire.post("token", sent, auth), 401, "invalid_client")
    assert refresh(wire, answer.json["refresh_token"], backend).status_code == 200


@pytest.mark.spec("RFC 6749 §5.2")
@pytest.mark.asvs("10.4.4")
def test_each_grant_needs_its_registration(alice: Person) -> None:
    wire = alice.wire
    presented = {"code": "x", "code_verifier": "A" * 43, "refresh_token": "x", "device_code": "x"}
    for grant_type in authorizing.REGISTRATION["grant_types"]:
        refused(wire.post("token", presented | {"grant_type": grant_type}, wire.robot), 400, "unauthorized_client")


def test_a_client_without_the_refresh_grant_gets_no_refresh_token(alice: Person) -> None:
    assert set(alice.tokens("once")) == {"access_token", "token_type", "expires_in", "scope"}


@pytest.mark.parametrize(
    "form",
    [
        {"code": "x"},
        {"code_verifier": "x"},
        {"redirect_uri": "x"},
        {"refresh_token": "x"},
        {"device_code": "x"},
    ],
)
def test_what_the_grants_read_is_never_read_from_the_url(alice: Person, form: dict[str, str]) -> None:
    code = alice.authorize()
    sent = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "client_id": "app"}
    sent["code_verifier"] = authorizing.VERIFIER
    refused(alice.wire.post("token", sent, query_string=form), 400, "invalid_request")
    assert redeem(alice.wire, code, client_id="app").status_code == 200


# --- scope and audience (RFC 8707)


@pytest.mark.spec("RFC 8707 §2.2")
def test_a_code_for_two_resources_gives_a_token_for_one_and_the_refresh_token_for_both(alice: Person) -> None:
    wire = alice.wire
    both: dict[str, Any] = {"scope": "orders:read stock:read", "resource": [ORDERS, STOCK]}
    first = redeem(wire, alice.authorize(**both), client_id="app", resource=ORDERS).json
    assert (first["scope"], contents(first["access_token"])["aud"]) == ("orders:read", ORDERS)
    second = refresh(wire, first["refresh_token"], resource=STOCK).json
    assert (second["scope"], contents(second["access_token"])["aud"]) == ("stock:read", STOCK)
    third = refresh(wire, second["refresh_token"]).json
    assert third["scope"] == "orders:read stock:read"
    assert sorted(contents(third["access_token"])["aud"]) == sorted([ORDERS, STOCK])


@pytest.mark.spec("RFC 6749 §6")
def test_a_refresh_may_ask_for_less_and_never_for_more(alice: Person) -> None:
    answer = alice.tokens(scope="orders:read orders:list")
    less = refresh(alice.wire, answer["refresh_token"], scope="orders:list").json
    assert less["scope"] == "orders:list"
    refused(refresh(alice.wire, less["refresh_token"], scope="orders:write"), 400, "invalid_scope")
    refused(refresh(alice.wire, less["refresh_token"], scope="orders:list stock:read"), 400, "invalid_scope")
    refused(refresh(alice.wire, less["refresh_token"], resource=STOCK), 400, "invalid_target")
    assert refresh(alice.wire, less["refresh_token"]).json["scope"] == "orders:list orders:read"


@pytest.mark.parametrize("token", [None, "", "x", "lk_ref_" + "0" * 38, '"\\é', "x" * 10_000])
def test_a_refresh_token_that_is_none_is_refused(apps: Wire, token: str | None) -> None:
    form = {"grant_type": "refresh_token", "client_id": "app"} | ({} if token is None else {"refresh_token": token})
    refused(apps.post("token", form), 400, "invalid_grant" if token else "invalid_request")


# --- keys (RFC 9449)


@pytest.mark.spec("RFC 9449 §10")
def test_a_code_that_is_bound_to_a_key_needs_its_proof(alice: Person) -> None:
    wire = alice.wire
    mine, theirs = (Prover(lambda: wire.core.clock().timestamp()) for _ in range(2))
    code = alice.authorize(dpop_jkt=mine.jkt)

    def present(prover: Prover | None) -> Any:
        headers = {"DPoP": prover.proof("POST", TOKEN_URL)} if prover else {}
        return redeem(wire, code, client_id="app", headers=headers)

    refused(present(None), 400, "invalid_dpop_proof")
    refused(present(theirs), 400, "invalid_grant")
    answer = present(mine)
    assert answer.status_code == 200 and answer.json["token_type"] == "DPoP"
    assert contents(answer.json["access_token"])["cnf"] == {"jkt": mine.jkt}


@pytest.mark.spec("RFC 9449 §5")
@pytest.mark.asvs("10.4.5")
def test_the_refresh_token_of_a_public_client_is_bound_to_its_key(alice: Person) -> None:
    wire = alice.wire
    mine, theirs = (Prover(lambda: wire.core.clock().timestamp()) for _ in range(2))
    answer = redeem(wire, alice.authorize(), client_id="app", headers={"DPoP": mine.proof("POST", TOKEN_URL)}).json
    assert answer["token_type"] == "DPoP"
    token = answer["refresh_token"]
    for prover in (None, theirs):
        headers = {"DPoP": prover.proof("POST", TOKEN_URL)} if prover else {}
        refused(refresh(wire, token, headers=headers), 400, "invalid_dpop_proof")
    again = refresh(wire, token, headers={"DPoP": mine.proof("POST", TOKEN_URL)})
    assert again.json["token_type"] == "DPoP"


@pytest.mark.spec("RFC 9449 §11.1")
def test_a_proof_that_was_used_does_not_spend_the_code(alice: Person) -> None:
    wire = alice.wire
    mine = Prover(lambda: wire.core.clock().timestamp())
    used = mine.proof("POST", TOKEN_URL)
    assert redeem(wire, alice.authorize(), client_id="app", headers={"DPoP": used}).status_code == 200
    code = alice.authorize()
    refused(redeem(wire, code, client_id="app", headers={"DPoP": used}), 400, "invalid_dpop_proof")
    fresh = {"DPoP": mine.proof("POST", TOKEN_URL)}
    assert redeem(wire, code, client_id="app", headers=fresh).status_code == 200


# --- introspection and revocation


@pytest.mark.spec("RFC 7662 §2.2")
def test_an_access_token_is_described_to_the_resource_server(alice: Person) -> None:
    wire, answer = alice.wire, alice.tokens()
    seen = wire.introspect(answer["access_token"], wire.shop)
    assert seen["credential_type"] == "oauth_token" and seen["username"] == "alice"
    assert (seen["sub"], seen["client_id"], seen["scope"]) == (wire.core.row_id("alice"), "app", "orders:read")
    assert wire.introspect(answer["access_token"], wire.stockist) == {"active": False}


@pytest.mark.spec("RFC 7662 §4")
def test_a_refresh_token_is_active_to_its_own_client_alone(alice: Person) -> None:
    wire = alice.wire
    backend = ("backend", wire.core.client_secret("backend"))
    token = redeem(wire, alice.authorize("backend"), backend).json["refresh_token"]
    seen = wire.introspect(token, backend)
    assert seen["active"] and (seen["client_id"], seen["scope"]) == ("backend", "orders:read")
    for other in (wire.shop, wire.robot, wire.bearer):
        assert wire.introspect(token, other) == {"active": False}
    later = refresh(wire, token, backend).json["refresh_token"]
    assert wire.introspect(token, backend) == {"active": False}
    assert wire.introspect(later, backend)["active"]
    refused(wire.post("introspect", {"token": later, "client_id": "app"}), 401, "invalid_client")


@pytest.mark.spec("RFC 7009 §2.1")
def test_an_access_token_dies_alone_and_a_refresh_token_with_its_grant(alice: Person) -> None:
    wire = alice.wire
    answer = alice.tokens()
    assert wire.revoke(answer["access_token"], client_id="app").status_code == 200
    assert wire.introspect(answer["access_token"]) == {"active": False}
    later = refresh(wire, answer["refresh_token"]).json
    assert wire.introspect(later["access_token"])["active"]
    assert wire.revoke(later["refresh_token"], client_id="app").status_code == 200
    assert wire.introspect(later["access_token"]) == {"active": False}
    refused(refresh(wire, later["refresh_token"]), 400, "invalid_grant")


@pytest.mark.spec("RFC 7009 §2.1")
def test_only_the_client_revokes_its_tokens(alice: Person) -> None:
    wire, answer = alice.wire, alice.tokens()
    for token in (answer["access_token"], answer["refresh_token"]):
        refused(wire.revoke(token), 401, "invalid_client")
        refused(wire.revoke(token, client_id="other"), 400, "invalid_grant")
        refused(wire.revoke(token, wire.robot), 400, "invalid_grant")
    assert wire.introspect(answer["access_token"])["active"]
    assert refresh(wire, answer["refresh_token"]).status_code == 200
