"""The attacks of RFC 9700 (Best Current Practice for OAuth 2.0 Security), each by its name there."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from app.database.engines import THREADS
from tests.oauth.authorizing import (
    CALLBACK,
    CHALLENGE,
    VERIFIER,
    Person,
    consent_form,
    parameters_of,
    redeem,
    refresh,
    refused,
    register,
    request_of,
    s256,
    shown_instead,
)
from tests.oauth.wire import ISSUER, Wire, start_wire, stop_wire
from tests.oauth.wire import refused as refused_token

AT_ONCE = 50
LOOPBACK, LOOPBACK_6 = "http://127.0.0.1/cb", "http://[::1]/cb"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Any:
    wire = start_wire(tmp_path_factory.mktemp("attacked"))
    register(wire, "app")
    register(wire, "mallory", redirect_uris=["https://mallory.example/cb"])
    register(wire, "loop", redirect_uris=[LOOPBACK, LOOPBACK_6])
    register(wire, "itself", registered_by="itself")
    yield wire
    stop_wire(wire)


@pytest.fixture
def alice(site: Wire) -> Person:
    person = Person(site)
    person.sign_in()
    return person


# --- §4.1 insufficient redirection URI validation


@pytest.mark.spec("RFC 9700 §4.1.3")
@pytest.mark.parametrize(
    "asked",
    [
        CALLBACK + "/",
        CALLBACK + "/x",
        CALLBACK + "?x=1",
        CALLBACK + "?",
        CALLBACK + "#x",
        CALLBACK + "%23",
        CALLBACK + " ",
        " " + CALLBACK,
        CALLBACK + "\r\nSet-Cookie: a=b",
        CALLBACK + "%0d%0aX:y",
        CALLBACK.upper(),
        "https://app.example/Callback",
        "HTTPS://app.example/callback",
        "https://APP.example/callback",
        "https://app.example./callback",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://app.example:/callback",
        "https://user@app.example/callback",
        "https://user:secret@app.example/callback",
        "https://app.example@mallory.example/callback",
        "https://app.example%40mallory.example/callback",
        "https://app.example\\@mallory.example/callback",
        "https://mallory.example\\.app.example/callback",
        "https://mallory.example#@app.example/callback",
        "https://mallory.example/?https://app.example/callback",
        "https://app.example.mallory.example/callback",
        "https://sub.app.example/callback",
        "https://ａpp.example/callback",
        "https://app。example/callback",
        "https://app.example/%63allback",
        "https://app.example//callback",
        "https://app.example/x/../callback",
        "https://app.example/./callback",
        "https://app.example/callback/..",
        "https://app.example/callback;x",
        "http://app.example/callback",
        "//app.example/callback",
        "/callback",
        "app.example/callback",
        "javascript:alert(1)//https://app.example/callback",
        "data:text/html,https://app.example/callback",
        "https://app.example/callback,https://mallory.example/",
        "null",
    ],
)
def test_insufficient_redirection_uri_validation(alice: Person, asked: str) -> None:
    shown_instead(alice.open(redirect_uri=asked))
    shown_instead(alice.open(redirect_uri=asked, response_type="token"))
    shown_instead(Person(alice.wire).open(redirect_uri=asked, prompt="none"))


@pytest.mark.spec("RFC 9700 §4.1.3")
@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.parametrize(
    "asked",
    [
        "http://127.0.0.1:99999/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:80x/cb",
        "http://127.0.0.1:１/cb",
        "http://127.0.0.1:8000@mallory.example/cb",
        "http://127.0.0.1@mallory.example:8000/cb",
        "http://127.0.0.1.mallory.example/cb",
        "http://mallory.example/cb?http://127.0.0.1:8000/cb",
        "http://127.0.0.1:8000/other",
        "http://127.0.0.1:8000/cb/",
        "http://127.0.0.1:8000/cb?x",
        "http://127.0.0.1:8000/cb#x",
        "http://127.0.0.1:8000\\@mallory.example/cb",
        "http://127.0.0.2:8000/cb",
        "http://127.1:8000/cb",
        "http://2130706433:8000/cb",
        "http://0x7f000001:8000/cb",
        "http://0.0.0.0:8000/cb",
        "http://localhost:8000/cb",
        "http://[::1%25lo]:8000/cb",
        "http://[0:0:0:0:0:0:0:1]:8000/cb",
        "http://[::ffff:127.0.0.1]:8000/cb",
        "http://[::1]mallory.example:8000/cb",
        "http://[::1].mallory.example/cb",
        "http://[::1]:8000@mallory.example/cb",
        "https://127.0.0.1:8000/cb",
    ],
)
def test_insufficient_redirection_uri_validation_on_loopback(alice: Person, asked: str) -> None:
    shown_instead(alice.open("loop", redirect_uri=asked))


# --- §4.2, §4.3 leakage by the Referer header and by the browser's history


@pytest.mark.spec("RFC 9700 §4.2.4")
def test_credential_leakage_via_referer_headers(alice: Person) -> None:
    page = alice.open(prompt="consent")
    assert page.headers["Referrer-Policy"] == "no-referrer"
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "https://app.example" not in policy.partition("form-action")[0]
    answered = alice.answer(page)
    assert answered.headers["Referrer-Policy"] == "no-referrer" and answered.data == b""


@pytest.mark.spec("RFC 9700 §4.3.1")
def test_credential_leakage_via_browser_history(alice: Person) -> None:
    location = alice.answer(alice.open(prompt="consent")).headers["Location"]
    code = parameters_of(alice.open())["code"]
    assert "access_token" not in location and "lk_ref_" not in location
    assert redeem(alice.wire, code, client_id="app").status_code == 200
    refused_token(redeem(alice.wire, code, client_id="app"), 400, "invalid_grant")


# --- §4.4 mix-up


@pytest.mark.spec("RFC 9700 §4.4.2")
def test_mix_up_attacks(alice: Person) -> None:
    assert parameters_of(alice.answer(alice.open(prompt="consent")))["iss"] == ISSUER
    assert parameters_of(alice.answer(alice.open(prompt="consent"), "deny"))["iss"] == ISSUER
    assert parameters_of(Person(alice.wire).open(prompt="none"))["iss"] == ISSUER
    assert parameters_of(alice.open(response_type="token"))["iss"] == ISSUER
    told: Any = alice.http.get("/.well-known/oauth-authorization-server").json
    assert told["issuer"] == ISSUER and told["authorization_response_iss_parameter_supported"] is True


# --- §4.5 code injection, §4.8 PKCE downgrade


@pytest.mark.spec("RFC 9700 §4.5.3")
def test_authorization_code_injection(alice: Person) -> None:
    theirs = "M" * 43
    code = alice.authorize()
    refused_token(redeem(alice.wire, code, client_id="app", code_verifier=theirs), 400, "invalid_grant")
    refused_token(redeem(alice.wire, code, client_id="mallory"), 400, "invalid_grant")
    refused_token(redeem(alice.wire, code, client_id="mallory", code_verifier=theirs), 400, "invalid_grant")
    assert redeem(alice.wire, code, client_id="app").status_code == 200


@pytest.mark.spec("RFC 9700 §4.8.2")
@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None},
        {"code_challenge_method": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": "", "code_challenge_method": "S256"},
    ],
)
def test_pkce_downgrade_attack(alice: Person, changed: dict[str, Any]) -> None:
    refused(alice.open(**changed), "invalid_request")
    action, form = consent_form(alice.open(prompt="consent"))
    for name, value in changed.items():
        old = f"{name}={CHALLENGE if name == 'code_challenge' else 'S256'}"
        assert old in action
        action = action.replace(old, f"{name}={value or ''}")
    refused(alice.http.post(action, data=form | {"decision": "allow"}), "invalid_request")


@pytest.mark.spec("RFC 9700 §4.8.2")
def test_the_challenge_itself_is_not_a_verifier_and_none_is_not_enough(alice: Person) -> None:
    code = alice.authorize(code_challenge=s256(CHALLENGE))
    for verifier in (s256(CHALLENGE), VERIFIER, None, ""):
        error = "invalid_grant" if verifier else "invalid_request"
        refused_token(redeem(alice.wire, code, client_id="app", code_verifier=verifier), 400, error)
    assert redeem(alice.wire, code, client_id="app", code_verifier=CHALLENGE).status_code == 200


# --- §4.5, RFC 6749 §4.1.2 replay of a code


@pytest.mark.spec("RFC 6749 §4.1.2")
def test_a_replayed_code_ends_all_that_came_of_the_first(alice: Person) -> None:
    wire, code = alice.wire, alice.authorize()
    first = redeem(wire, code, client_id="app").json
    further = refresh(wire, first["refresh_token"]).json
    assert wire.introspect(further["access_token"])["active"]
    refused_token(redeem(wire, code, client_id="app"), 400, "invalid_grant")
    for answer in (first, further):
        assert wire.introspect(answer["access_token"]) == {"active": False}
        refused_token(refresh(wire, answer["refresh_token"]), 400, "invalid_grant")
    assert wire.core.trace("grant.replay")


def test_another_client_ends_nothing_by_a_code_that_it_saw(alice: Person) -> None:
    wire, code = alice.wire, alice.authorize()
    answer = redeem(wire, code, client_id="app").json
    refused_token(redeem(wire, code, client_id="mallory"), 400, "invalid_grant")
    refused_token(redeem(wire, code, client_id="app", code_verifier="M" * 43), 400, "invalid_grant")
    assert wire.introspect(answer["access_token"])["active"]


@pytest.mark.both_databases
@pytest.mark.spec("RFC 6749 §4.1.2")
def test_of_fifty_at_once_one_gets_tokens_and_they_die_on_the_replay(alice: Person) -> None:
    wire, code = alice.wire, alice.authorize()
    answers = at_once(lambda _: redeem(other_browser(wire), code, client_id="app"))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    lost = [answer.json["error"] for answer in answers if answer.status_code != 200]
    assert set(lost) <= {"invalid_grant", "temporarily_unavailable"}  # the database lets only so many wait
    assert "invalid_grant" in lost
    assert wire.introspect(won[0].json["access_token"]) == {"active": False}
    refused_token(refresh(wire, won[0].json["refresh_token"]), 400, "invalid_grant")


# --- §4.14 refresh token replay


@pytest.mark.spec("RFC 9700 §4.14.2")
def test_a_refresh_token_that_was_replaced_ends_the_grant_after_the_grace(own_site: Wire) -> None:
    alice = Person(own_site)
    alice.sign_in()
    first = alice.tokens()
    second = refresh(own_site, first["refresh_token"]).json
    own_site.core.clock.advance(seconds=9)
    again = refresh(own_site, first["refresh_token"])  # a lost answer
    assert again.status_code == 200
    own_site.core.clock.advance(seconds=1)
    refused_token(refresh(own_site, first["refresh_token"]), 400, "invalid_grant")
    for answer in (first, second, again.json):
        assert own_site.introspect(answer["access_token"]) == {"active": False}
        refused_token(refresh(own_site, answer["refresh_token"]), 400, "invalid_grant")
    assert own_site.core.trace("credential.reused")


@pytest.mark.spec("RFC 9700 §4.14.2")
def test_another_client_cannot_use_or_end_a_refresh_token(own_site: Wire) -> None:
    alice = Person(own_site)
    alice.sign_in()
    first = alice.tokens()
    second = refresh(own_site, first["refresh_token"]).json
    own_site.core.clock.advance(seconds=60)
    for token in (first["refresh_token"], second["refresh_token"]):
        refused_token(refresh(own_site, token, client_id="mallory"), 400, "invalid_grant")
    assert own_site.introspect(second["access_token"])["active"]
    assert refresh(own_site, second["refresh_token"]).status_code == 200


@pytest.mark.both_databases
@pytest.mark.spec("RFC 9700 §4.14.2")
def test_refreshes_at_once_are_answered_within_the_grace_and_end_the_grant_after_it(own_site: Wire) -> None:
    alice = Person(own_site)
    alice.sign_in()
    token = alice.tokens()["refresh_token"]
    answers = at_once(lambda _: refresh(other_browser(own_site), token), 10)
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == len(answers)
    own_site.core.clock.advance(seconds=11)
    for answer in at_once(lambda _: refresh(other_browser(own_site), token), 10):
        refused_token(answer, 400, "invalid_grant")
    for answer in answers:
        assert own_site.introspect(answer.json["access_token"]) == {"active": False}


@pytest.mark.spec("RFC 9700 §4.14.2")
def test_a_grant_does_not_survive_its_user_or_client(own_site: Wire) -> None:
    alice = Person(own_site)
    alice.sign_in()
    for who in ("alice", "app"):
        answer = alice.tokens()
        own_site.core.enable(who, False)
        assert own_site.introspect(answer["access_token"]) == {"active": False}
        assert refresh(own_site, answer["refresh_token"]).status_code in (400, 401)
        own_site.core.enable(who, True)


# --- §4.7 CSRF, §4.11 open redirection, §4.12 307, §4.16 clickjacking


@pytest.mark.spec("RFC 9700 §4.7.1")
def test_cross_site_request_forgery_of_consent(alice: Person) -> None:
    action, form = consent_form(alice.open(prompt="consent"))
    shown_instead(alice.http.post(action, data={"decision": "allow", "scopes": form["scopes"]}))
    assert parameters_of(alice.http.post(action, data=form | {"decision": "allow"}))["state"] == "untouched"


@pytest.mark.spec("RFC 9700 §4.11.2")
def test_authorization_server_as_open_redirector(alice: Person) -> None:
    nobody = Person(alice.wire)
    for changed in ({"response_type": "token"}, {"scope": "nonsense"}, {"code_challenge": None}):
        assert "/login?" in nobody.open("itself", **changed).headers["Location"]
    shown_instead(nobody.open("nobody", redirect_uri="https://mallory.example/"))


@pytest.mark.spec("RFC 9700 §4.12")
def test_307_redirect(alice: Person) -> None:
    page = alice.open(prompt="consent")
    for decision in ("allow", "deny"):
        assert alice.answer(page, decision).status_code == 303
    assert alice.http.post("/oauth/authorize", data=request_of()).status_code == 303


@pytest.mark.spec("RFC 9700 §4.16")
def test_clickjacking(alice: Person) -> None:
    for page in (alice.open(prompt="consent"), alice.open("nobody"), alice.open(response_type="token")):
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
        assert page.headers["X-Frame-Options"] == "DENY"


# --- consent


def test_consent_is_never_widened_in_silence(alice: Person) -> None:
    alice.authorize()
    assert alice.open(scope="orders:read orders:write").status_code == 200
    assert alice.open("loop", redirect_uri=LOOPBACK).status_code == 200  # another app
    answer = redeem(alice.wire, alice.authorize(), client_id="app").json
    refused_token(refresh(alice.wire, answer["refresh_token"], scope="orders:read orders:write"), 400, "invalid_scope")


@pytest.fixture
def own_site(tmp_path: Any) -> Any:
    """An application of its own: the tests move its clock and disable its users."""
    wire = start_wire(tmp_path)
    register(wire, "app")
    register(wire, "mallory", redirect_uris=["https://mallory.example/cb"])
    yield wire
    stop_wire(wire)


def other_browser(wire: Wire) -> Wire:
    """Return the application with a client of its own, for one thread."""
    return replace(wire, http=wire.http.application.test_client())


def at_once(ask: Callable[[int], Any], many: int = AT_ONCE) -> list[Any]:
    """Ask from twice as many threads as a server has: a further one would wait for a connection of the pool."""
    with ThreadPoolExecutor(min(many, 2 * THREADS)) as pool:
        return list(pool.map(ask, range(many)))
