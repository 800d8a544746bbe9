"""A stranger at the endpoints of apps: garbage, tricks with redirects, codes that were not theirs, floods."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from tests.oauth.authorizing import (
    AUTHORIZE,
    CALLBACK,
    CHALLENGE,
    CSRF,
    DEVICE_GRANT,
    VERIFIER,
    Person,
    parameters_of,
    redeem,
    refused,
    register,
    request_of,
    s256,
    shown_instead,
)
from tests.oauth.wire import ORDERS, Wire, start_wire, stop_wire

FORM = "application/x-www-form-urlencoded"
LOOPBACK_6, NATIVE = "http://[::1]/cb", "com.example.app:/cb"
GARBAGE = [
    *("%00", "a%00b", "%ED%A0%80", "%FF", "%0d%0aSet-Cookie:%20x=1", "%0a", "%09", "%20", "%F0%9F%98%80", "%E2%80%AE"),
    *("%C2%85", "%E2%80%A8", "%EF%BF%BF", "\\", "//evil.example", "..", "%25", "%22%3E%3Cscript%3E", "[]", "-1", "1e9"),
    *("9" * 30, "a" * 3000, "None", "lk_code_" + "0" * 38, "lk_ref_" + "0" * 38),
]
AUTHORIZATION = [
    *(*request_of(), "prompt", "max_age", "dpop_jkt", "response_mode", "request", "request_uri"),
    *("signed_in_after", "nonce", "iss", "login_hint"),
]
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "a device's request": ("device_authorization", {"client_id": "app", "scope": "orders:read", "resource": ORDERS}),
    "a code": (
        "token",
        {
            "grant_type": "authorization_code",
            "client_id": "app",
            "code": "x",
            "redirect_uri": "x",
            "code_verifier": "x",
        },
    ),
    "a refresh token": (
        "token",
        {"grant_type": "refresh_token", "client_id": "app", "refresh_token": "x", "scope": "x", "resource": "x"},
    ),
    "a device code": ("token", {"grant_type": DEVICE_GRANT, "client_id": "app", "device_code": "x"}),
    "a revocation": ("revoke", {"client_id": "app", "token": "x", "token_type_hint": "refresh_token"}),
}
VALUES: list[Any] = [
    *(None, True, 0, 1.5, 10**400, "", "\x00", "\ud800", "\u202e", "a\nb", "x" * 3000, [], [[]], [None], [1]),
    *(["\ud800"], ["https://ok.example/\x00"], ["https://ok.example/cb"] * 200, {}, {"keys": [None]}),
    {"keys": [{"kty": "EC", "crv": "P-256", "x": "\ud800", "y": "\x00"}]},
]
MEMBERS = [
    *("client_name", "redirect_uris", "token_endpoint_auth_method", "grant_types", "response_types", "scope", "jwks"),
    *(
        "jwks_uri",
        "client_uri",
        "logo_uri",
        "policy_uri",
        "dpop_bound_access_tokens",
        "contacts",
        "client_id",
        "\ud800",
    ),
]


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("strangers"), registration="open")
    register(made, "app")
    register(made, "other")
    register(made, "native", redirect_uris=[CALLBACK, LOOPBACK_6, NATIVE])
    yield made
    stop_wire(made)


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


def spelled(parameters: dict[str, Any], **changed: str) -> str:
    """Return a form or query in which the changed parameters are spelled as they are."""
    encoded = {name: quote_plus(str(value)) for name, value in parameters.items()} | changed
    return "&".join(f"{name}={value}" for name, value in encoded.items())


# --- garbage


@pytest.mark.both_databases
@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("name", AUTHORIZATION)
def test_no_value_of_a_parameter_breaks_the_authorization_endpoint(apps: Wire, alice: Person, name: str) -> None:
    for person in (alice, Person(apps)):
        for value in GARBAGE:
            query = spelled(request_of(), **{name: value})
            posted = person.http.post(AUTHORIZE, data=query, content_type=FORM)
            for response in (person.http.get(f"{AUTHORIZE}?{query}"), posted):
                assert response.status_code in (200, 303, 400), (value, response.status_code)
                location = response.headers.get("Location", "/login?")
                assert location.startswith((f"{CALLBACK}?", "/login?", f"{AUTHORIZE}?")), (value, location)
                assert "Set-Cookie: x" not in str(response.headers) and "\n" not in location


@pytest.mark.both_databases
@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("what", FORMS)
def test_no_value_of_a_parameter_breaks_the_endpoints_of_apps(apps: Wire, what: str) -> None:
    endpoint, form = FORMS[what]
    for name in form:
        for value in GARBAGE:
            response = apps.http.post(f"/oauth/{endpoint}", data=spelled(form, **{name: value}), content_type=FORM)
            assert response.status_code < 500, (name, value, response.text)
            assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.both_databases
@pytest.mark.asvs("2.2.1")
def test_no_value_breaks_the_redemption_of_a_good_code(apps: Wire, alice: Person) -> None:
    form = {"grant_type": "authorization_code", "client_id": "app", "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    for name in (*form, "scope", "resource"):
        code = alice.authorize()
        for value in GARBAGE:
            sent = spelled(form | {"code": code}, **{name: value})
            response = apps.http.post("/oauth/token", data=sent, content_type=FORM)
            assert response.status_code in (200, 400, 401), (name, value, response.text)


@pytest.mark.both_databases
@pytest.mark.asvs("2.2.1")
@pytest.mark.parametrize("name", MEMBERS)
def test_no_value_of_a_member_breaks_the_registration(apps: Wire, name: str) -> None:
    good = {"client_name": "x", "redirect_uris": [CALLBACK]}
    for method in ("none", "private_key_jwt"):
        for value in VALUES:
            body = json.dumps(good | {"token_endpoint_auth_method": method, name: value}).encode()
            response = apps.http.post("/oauth/register", data=body, content_type="application/json")
            assert response.status_code in (201, 400), (value, response.text)
            assert "Traceback" not in response.text


@pytest.mark.both_databases
def test_no_value_breaks_the_pages_of_a_device(alice: Person) -> None:
    [token, *_] = CSRF.findall(alice.http.get("/device").text)
    for value in GARBAGE:
        for path in ("/device", "/device/answer"):
            form = spelled({"csrf_token": token, "decision": "allow"}, user_code=value, scopes=value)
            assert alice.http.post(path, data=form, content_type=FORM).status_code < 500, value
        assert alice.http.get(f"/device?user_code={value}").status_code == 200


# --- redirects


@pytest.mark.spec("RFC 9700 §4.1")
@pytest.mark.asvs("10.4.1", "RFC 9700 §2.1, §4.1–4.5")
@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example@evil.example/callback",
        "https://evil.example#@app.example/callback",
        "https://app.example/callback#",
        "https://app.example/callback#fragment",
        "https://app.example./callback",
        "https://app.example:443/callback",
        "https://APP.example/callback",
        "HTTPS://app.example/callback",
        "https://app.example/Callback",
        "https://app.example/callback/",
        "https://app.example/%63allback",
        "https://app.example/callback?",
        "https://app.example/callback/../evil",
        "https://app.example\\@evil.example/callback",
        "//app.example/callback",
        "http://app.example/callback",
        "https://app.example/callback\x00",
        "https://app.example/callback ",
        "https://app.example/callback,https://evil.example",
        "http://[::1]:80.evil.example/cb",
        "http://[::1]:65536/cb",
        "http://[::1]:1/cb/",
        "http://[::1%25lo]/cb",
        "http://[0:0:0:0:0:0:0:1]/cb",
        "http://[::ffff:127.0.0.1]/cb",
        "http://user@[::1]/cb",
        "https://[::1]/cb",
        "com.example.app://cb",
        "com.example.APP:/cb",
        "com.example.app:/cb/",
        "javascript:alert(1)",
    ],
)
@pytest.mark.contract("redirect URI tricks: userinfo, encoded, case, port, fragment, trailing dot, IPv6 loopback")
def test_no_trick_with_a_redirect_uri_leads_anywhere(alice: Person, uri: str) -> None:
    text = shown_instead(alice.open("native", redirect_uri=uri))
    assert f'="{escape(uri)}' not in text


@pytest.mark.spec("RFC 8252 §7.3")
@pytest.mark.contract("redirect URI tricks: userinfo, encoded, case, port, fragment, trailing dot, IPv6 loopback")
def test_the_port_of_an_ipv6_loopback_is_free(alice: Person) -> None:
    assert alice.authorize("native", redirect_uri="http://[::1]:50001/cb").startswith("lk_code_")


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/oauth/authorize",
        "/\\evil.example/oauth/authorize",
        "\\/evil.example",
        "/oauth/authorize/..//evil.example",
        "/oauth/authorize/%2e%2e//evil.example",
        "/oauth/authorize\r\nSet-Cookie: x=1",
        "/oauth/authorize?x\r\nLocation: https://evil.example",
        "/oauth/authorize?x\t",
        "/oauth/authorize@evil.example",
        "/oauth/authorize.evil.example",
        "/oauth/authorize;@evil.example",
        "/oauth/authorizeevil",
        "/oauth/authorize#@evil.example",
        "/device/../..//evil.example",
        "/device\x00",
        "https://login.example/oauth/authorize",
        "javascript:alert(1)//oauth/authorize",
        "/oauth/authorize?x=<script>",
        '/oauth/authorize?"onload="x',
        f"/oauth/authorize?code=lk_code_{'0' * 38}",
        "/oauth/authorize?" + "x" * 6000,
    ],
)
@pytest.mark.contract("open redirect")
def test_no_sign_in_goes_on_to_another_place(alice: Person, path: str) -> None:
    response = alice.http.get(f"/login?next={quote(path, safe='')}")
    assert response.status_code == 303 and response.headers["Location"] == "/account/tokens"
    assert "Set-Cookie: x" not in str(response.headers)


@pytest.mark.spec("RFC 9700 §4.11.2")
@pytest.mark.asvs("10.4.7", "RFC 9700 §4.11–4.12")
@pytest.mark.parametrize("fault", [{"scope": "nothing"}, {"code_challenge": None}, {"response_type": "token"}])
@pytest.mark.contract("open redirect")
def test_a_link_of_ours_opens_no_page_of_a_stranger(apps: Wire, fault: dict[str, Any]) -> None:
    register(apps, name := f"evil-{next(iter(fault))}", redirect_uris=["https://evil.example/"], registered_by="itself")
    response = Person(apps).open(name, redirect_uri="https://evil.example/", **fault)
    assert response.status_code == 303 and response.headers["Location"].startswith("/login?next=")


def test_a_location_never_holds_more_than_the_parameters_of_the_protocol(apps: Wire) -> None:
    description = refused(Person(apps).open(scope="a b\x7f", prompt="none"), "login_required")
    assert "evil" not in description
    response = Person(apps).open(state="x\r\nSet-Cookie: a=b", prompt="none")
    assert parameters_of(response)["state"] == "x\r\nSet-Cookie: a=b"
    assert "Set-Cookie" not in response.headers


def test_a_state_of_four_kilobytes_comes_back_and_one_of_eight_is_refused(alice: Person) -> None:
    long = "s" * 4_000
    assert parameters_of(alice.answer(alice.open(state=long, prompt="consent")))["state"] == long
    shown_instead(alice.open(state="s" * 8_000))


@pytest.mark.asvs("10.4.12")
@pytest.mark.parametrize("mode", ["fragment", "form_post", "jwt", "query.jwt", "QUERY"])
def test_there_is_one_response_mode(alice: Person, mode: str) -> None:
    refused(alice.open(response_mode=mode), "unsupported_response_mode")


@pytest.mark.asvs("10.4.13")
@pytest.mark.parametrize("name", ["request", "request_uri"])
def test_no_request_is_read_from_another_place(alice: Person, name: str) -> None:
    refused(alice.open(**{name: "https://evil.example/request"}), f"{name}_not_supported")


# --- codes


@pytest.mark.spec("RFC 9700 §4.5")
@pytest.mark.asvs("10.4.6", "RFC 9700 §2.1, §4.1–4.5")
@pytest.mark.contract("code injection")
def test_an_injected_code_is_refused_and_does_not_harm_its_owner(apps: Wire, alice: Person) -> None:
    """Code injection: the victim's code in the attacker's own session, with the attacker's own verifier."""
    mine = "m" * 43
    stolen = alice.authorize()
    assert redeem(apps, stolen, client_id="app", code_verifier=mine).json["error"] == "invalid_grant"
    assert redeem(apps, stolen, client_id="other").json["error"] == "invalid_grant"
    assert redeem(apps, stolen, client_id="app", redirect_uri=None).json["error"] == "invalid_grant"
    attacked = alice.authorize(code_challenge=s256(mine))
    assert redeem(apps, attacked, client_id="app").json["error"] == "invalid_grant"
    assert redeem(apps, stolen, client_id="app").status_code == 200


@pytest.mark.spec("RFC 9700 §4.8.2")
@pytest.mark.asvs("10.4.6")
@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge_method": "S256 "},
        {"code_challenge": VERIFIER, "code_challenge_method": "plain"},
        {"code_challenge": CHALLENGE + "\n"},
        {"code_challenge": CHALLENGE[:-1]},
        {"code_challenge": CHALLENGE + "="},
    ],
)
@pytest.mark.contract("PKCE downgrade")
def test_pkce_is_not_downgraded(apps: Wire, alice: Person, changed: dict[str, Any]) -> None:
    register(apps, secret := f"confidential-{len(apps.core._rows)}", method="client_secret_basic")
    for client_id in ("app", secret):
        refused(alice.open(client_id, **changed), "invalid_request")


@pytest.mark.spec("RFC 9700 §4.8.2")
@pytest.mark.parametrize("verifier", [None, "", CHALLENGE, VERIFIER[:-1], VERIFIER + "\n", VERIFIER.lower(), "a" * 129])
@pytest.mark.contract("PKCE downgrade")
def test_a_code_without_its_verifier_is_refused(apps: Wire, alice: Person, verifier: str | None) -> None:
    response = redeem(apps, alice.authorize(), client_id="app", code_verifier=verifier)
    assert response.status_code == 400 and response.json["error"] in ("invalid_grant", "invalid_request")
