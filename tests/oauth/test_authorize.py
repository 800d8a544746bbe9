"""The authorization request: what gets a page, what is redirected, and with what (RFC 6749 §4.1.1, §4.1.2)."""

from typing import Any
from urllib.parse import quote, urlencode

import pytest
from sqlalchemy import func, select

from app.database.types import Base
from app.oauth.authorization_request import LONGEST, MOST_PARAMETERS
from tests.oauth.authorizing import (
    AUTHORIZE,
    CALLBACK,
    CHALLENGE,
    Person,
    consent_form,
    parameters_of,
    query_of,
    refused,
    register,
    request_of,
    shown_instead,
)
from tests.oauth.wire import ORDERS, STOCK, Wire

LOOPBACK, LOOPBACK_6, LOCALHOST = "http://127.0.0.1/cb", "http://[::1]:9/cb", "http://localhost/cb"
NATIVE, WITH_QUERY = "com.example.app:/cb", "https://app.example/cb?tenant=a%20b+c&flag&x=%7E;y"
STATES = ["a", "a b", "a+b", "%20", "a%2Bb", "a&b=c", "#?/", "ü€𝄞", '"<>\\', "\x00\t\r\n", "x" * 2000, "eyJ.eyJ.sig"]


@pytest.fixture(scope="module")
def apps(wire: Wire) -> Wire:
    register(wire, "app")
    register(wire, "many", redirect_uris=[CALLBACK, LOOPBACK, LOOPBACK_6, NATIVE, WITH_QUERY])
    register(wire, "machine", grant_types=["client_credentials"])
    register(wire, "closed", enabled=False)
    register(wire, "itself", registered_by="itself")
    register(wire, "narrow", scopes=["orders:read"])
    return wire


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


@pytest.fixture
def nobody(apps: Wire) -> Person:
    return Person(apps)


# --- what gets a page


@pytest.mark.spec("RFC 6749 §4.1.2.1")
@pytest.mark.parametrize("client_id", [None, "", "nobody", "closed", "APP", "app ", "a" * 5000, "\x00", "app\ud800"])
def test_a_bad_client_gets_a_page_and_no_redirect(alice: Person, client_id: str | None) -> None:
    query = urlencode(request_of(client_id), errors="surrogatepass")
    shown_instead(alice.http.get(f"{AUTHORIZE}?{query}"))


@pytest.mark.spec("RFC 6749 §3.1")
@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_what_decides_the_destination_is_sent_once(alice: Person, name: str) -> None:
    good = request_of()
    shown_instead(alice.http.get(f"{AUTHORIZE}?{urlencode(good)}&{urlencode({name: good[name]})}"))


@pytest.mark.spec("RFC 6749 §3.1.2.3")
def test_the_redirect_uri_is_required_unless_one_is_registered(alice: Person) -> None:
    assert refused(alice.open(redirect_uri=None, response_type="token"), "unsupported_response_type")
    assert refused(alice.open(redirect_uri="", response_type="token"), "unsupported_response_type")
    shown_instead(alice.open("many", redirect_uri=None))


@pytest.mark.parametrize("query", ["client_id=%ff", "client_id=app&x=\xff", "a=1&" * (MOST_PARAMETERS + 1)])
def test_an_unreadable_query_gets_a_page(alice: Person, query: str) -> None:
    shown_instead(alice.http.get(AUTHORIZE, environ_overrides={"QUERY_STRING": query}))


def test_the_query_is_bounded(alice: Person) -> None:
    query = urlencode(request_of(state="s", prompt="consent"))
    longest = f"{AUTHORIZE}?{query}{'&more=':s<{LONGEST - len(query)}}"
    assert alice.http.get(longest).status_code == 200
    shown_instead(alice.http.get(longest + "s"))


def test_the_headers_of_a_browser_are_bounded(apps: Wire) -> None:
    browser = apps.http.application.test_client(use_cookies=False)
    for header in ("Cookie", "Accept-Language"):
        answer = browser.get(AUTHORIZE, query_string=request_of(), headers={header: "x" * 20_000})
        assert answer.status_code == 431


def test_the_page_shows_nothing_that_was_sent(nobody: Person) -> None:
    page = shown_instead(nobody.open("<script>alert(1)</script>", redirect_uri="https://evil.example/"))
    assert "<script>alert" not in page and 'href="https://evil.example' not in page


# --- what is redirected


@pytest.mark.spec("RFC 6749 §4.1.2.1")
@pytest.mark.spec("RFC 9101 §5")
@pytest.mark.spec("RFC 7636 §4.4.1")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_type": "id_token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_type": 'code"\\é'}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "unsupported_response_mode"),
        ({"response_mode": "form_post"}, "unsupported_response_mode"),
        ({"response_mode": "query.jwt"}, "unsupported_response_mode"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"request_uri": "https://app.example/request"}, "request_uri_not_supported"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "request_uri_not_supported"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "="}, "invalid_request"),
        ({"code_challenge": CHALLENGE + "\n"}, "invalid_request"),
        ({"code_challenge": CHALLENGE[:-1] + "."}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "none consent"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "9" * 40}, "invalid_request"),
        ({"max_age": "１"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"dpop_jkt": "A" * 44}, "invalid_request"),
    ],
)
def test_every_other_fault_is_redirected(nobody: Person, changed: dict[str, Any], error: str) -> None:
    refused(nobody.open(**changed), error)
    refused(
        nobody.open("many", **(changed | {"redirect_uri": "http://127.0.0.1:54321/cb"})), error, "http://127.0.0.1:"
    )


@pytest.mark.spec("RFC 6749 §3.1")
@pytest.mark.parametrize("name", ["response_type", "scope", "code_challenge", "prompt", "nonce", "unknown"])
def test_a_repeated_parameter_is_redirected_too(nobody: Person, name: str) -> None:
    good = request_of() | {"prompt": "consent", "nonce": "n", "unknown": "u"}
    refused(nobody.http.get(f"{AUTHORIZE}?{urlencode(good)}&{urlencode({name: good[name]})}"), "invalid_request")
    refused(nobody.http.get(f"{AUTHORIZE}?{urlencode(good)}&{name}="), "invalid_request")


@pytest.mark.spec("RFC 6749 §3.1")
def test_of_two_states_none_is_returned(nobody: Person) -> None:
    refused(nobody.http.get(f"{AUTHORIZE}?{urlencode(request_of())}&state=x"), "invalid_request", state=None)


@pytest.mark.spec("RFC 6749 §4.1.2.1")
def test_a_client_that_is_not_registered_for_codes_is_refused_by_redirect(nobody: Person) -> None:
    refused(nobody.open("machine"), "unauthorized_client")


@pytest.mark.spec("RFC 8707 §2")
@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"scope": "orders:read nonsense"}, "invalid_scope"),
        ({"scope": "stock:read"}, "invalid_scope"),
        ({"scope": 'orders:read"'}, "invalid_scope"),
        ({"scope": "é"}, "invalid_scope"),
        ({"scope": "openid"}, "invalid_scope"),
        ({"resource": "https://api.example/nothing"}, "invalid_target"),
        ({"resource": 'https://api.example/orders/é"\\'}, "invalid_target"),
        ({"resource": ["https://api.example/nothing", ORDERS]}, "invalid_target"),
        ({"resource": None, "scope": None}, "invalid_target"),
    ],
)
def test_a_scope_or_resource_that_cannot_be_given_is_redirected(
    alice: Person, changed: dict[str, Any], error: str
) -> None:
    refused(alice.open(**changed), error)


def test_the_ceiling_of_the_client_is_a_ceiling(alice: Person) -> None:
    refused(alice.open("narrow", scope="orders:write"), "invalid_scope")
    assert alice.open("narrow", scope="orders:read").status_code == 200


def test_openid_is_left_out(alice: Person) -> None:
    page = alice.open(scope="openid orders:read")
    assert page.status_code == 200 and "openid" not in consent_form(page)[1]["scopes"]
    assert alice.tokens(scope="openid orders:read")["scope"] == "orders:read"


@pytest.mark.spec("RFC 9207 §2")
def test_every_answer_names_the_issuer(alice: Person) -> None:
    refused(alice.open(response_type="token"), "unsupported_response_type")
    page = alice.open(prompt="consent")
    refused(alice.answer(page, "deny"), "access_denied")
    assert set(parameters_of(alice.answer(page))) == {"code", "state", "iss"}


@pytest.mark.spec("RFC 6749 §4.1.2")
@pytest.mark.parametrize("state", STATES)
def test_the_state_comes_back_untouched(alice: Person, state: str) -> None:
    assert parameters_of(alice.answer(alice.open(state=state, prompt="consent")))["state"] == state
    refused(alice.open(state=state, response_type="token"), "unsupported_response_type", state=state)
    refused(alice.answer(alice.open(state=state, prompt="consent"), "deny"), "access_denied", state=state)


def test_no_state_stays_no_state(alice: Person) -> None:
    for state in (None, ""):
        refused(alice.open(state=state, response_type="token"), "unsupported_response_type", state=None)
        assert "state" not in parameters_of(alice.answer(alice.open(state=state, prompt="consent")))


@pytest.mark.spec("RFC 6749 §3.1.2")
def test_a_redirect_uri_keeps_its_query_to_the_letter(alice: Person) -> None:
    page = alice.open("many", redirect_uri=WITH_QUERY, state="s")
    location = alice.answer(page).headers["Location"]
    assert location.startswith(WITH_QUERY + "&code=lk_code_") and location.count("?") == 1
    refusal = alice.open("many", redirect_uri=WITH_QUERY, prompt="x")
    assert refusal.headers["Location"].startswith(WITH_QUERY + "&error=")


@pytest.mark.spec("RFC 8252 §7.1")
def test_a_private_use_scheme_stays_as_it_is(alice: Person) -> None:
    assert parameters_of(alice.answer(alice.open("many", redirect_uri=NATIVE, prompt="consent")), f"{NATIVE}?code=")


# --- the other method, and what an anonymous request does


@pytest.mark.spec("RFC 6749 §3.1")
def test_a_posted_request_is_redirected_to_the_same_one(nobody: Person) -> None:
    sent = request_of(state="a b+c&d=é", resource=[ORDERS, STOCK])
    answer = nobody.http.post(AUTHORIZE, data=sent)
    assert answer.status_code == 303
    path, _, query = answer.headers["Location"].partition("?")
    assert path.endswith(AUTHORIZE)
    assert query_of(answer.headers["Location"]) == {n: v if isinstance(v, list) else [v] for n, v in sent.items()}
    assert "login" in nobody.http.get(f"{AUTHORIZE}?{query}").headers["Location"]


def test_a_posted_request_never_mixes_body_and_url(nobody: Person) -> None:
    shown_instead(nobody.http.post(f"{AUTHORIZE}?client_id=app", data=request_of()))
    shown_instead(nobody.http.post(AUTHORIZE, data=request_of(state="s" * LONGEST)))
    shown_instead(nobody.http.post(AUTHORIZE, data=b"client_id=%ff", content_type="application/x-www-form-urlencoded"))


def test_nothing_is_stored_before_consent(apps: Wire) -> None:
    def rows() -> dict[str, int | None]:
        with apps.core.store.reading() as session:
            return {t.name: session.scalar(select(func.count()).select_from(t)) for t in Base.metadata.sorted_tables}

    nobody, alice = Person(apps), Person(apps)
    alice.sign_in()
    apps.core.actions.usage.flush()  # what was counted before is written now, and not in between
    before = rows()
    for _ in range(3):
        assert "/login" in nobody.open().headers["Location"]
        assert alice.open(prompt="consent").status_code == 200
    assert rows() == before


@pytest.mark.spec("RFC 9700 §4.11.2")
def test_a_fault_is_redirected_to_an_app_that_registered_itself_only_for_a_user(nobody: Person, alice: Person) -> None:
    asked = nobody.open("itself", response_type="token").headers["Location"]
    assert "/login?" in asked and query_of(asked)["next"][0].startswith(f"{AUTHORIZE}?")
    refused(alice.open("itself", response_type="token"), "unsupported_response_type")
    refused(nobody.open("itself", prompt="none"), "login_required")


@pytest.mark.parametrize(
    "asked", ["http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb", LOOPBACK, "http://[::1]:51004/cb", LOOPBACK_6]
)
@pytest.mark.spec("RFC 8252 §7.3")
def test_the_port_is_free_on_loopback(alice: Person, asked: str) -> None:
    code = parameters_of(alice.answer(alice.open("many", redirect_uri=asked, prompt="consent")), f"{asked}?")["code"]
    assert code.startswith("lk_code_")


def test_quoting_of_the_way_back_is_understood_by_every_decoder(alice: Person) -> None:
    location = alice.open(state="a b+c", response_type="token").headers["Location"]
    assert f"state={quote('a b+c')}" in location and "+" not in location
