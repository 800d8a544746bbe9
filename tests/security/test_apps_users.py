"""Users in front of the pages of apps: forged answers, other accounts, what changed meanwhile, phishing, leaks."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest
from sqlalchemy import select, update

from app.models import AppGrant, AuthorizationCode, Client, DeviceCode, RefreshToken
from tests.oauth.authorizing import (
    AUTHORIZE,
    CSRF,
    DEVICE_GRANT,
    Person,
    consent_form,
    parameters_of,
    redeem,
    refresh,
    refused,
    register,
    shown_instead,
)
from tests.oauth.wire import ORDERS, STOCK, Wire, start_wire, stop_wire
from tests.security.siege import PASSWORD

MakeWire = Callable[..., Wire]
BOTH = "orders:read orders:write"
OF_APPS = re.compile(r"lk_(?:code|ref|dev|reg)_[0-9A-Za-z]{38}")


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wire]:
    made = start_wire(tmp_path_factory.mktemp("users"))
    register(made, "app")
    made.core.user("bob", "clerk")
    yield made
    stop_wire(made)


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


def begin_device(wire: Wire, scope: str = "orders:read") -> Any:
    """Begin a device's authorization; return its codes."""
    return wire.post("device_authorization", {"client_id": "app", "scope": scope}).json


# --- forged answers (CSRF)


@pytest.mark.spec("RFC 9700 §4.7")
@pytest.mark.asvs("3.5.1", "10.7.1", "RFC 9700 §4.7")
@pytest.mark.parametrize("site", ["cross-site", "same-site", "same-origin", "none"])
@pytest.mark.contract("CSRF on consent")
def test_no_consent_is_given_by_a_form_of_another_site(apps: Wire, alice: Person, site: str) -> None:
    """What a page of an attacker can send: the request's address, every field but the token of the session."""
    attacker = Person(apps, "bob")
    attacker.sign_in()
    action, form = consent_form(attacker.open(prompt="consent"))
    headers = {"Sec-Fetch-Site": site, "Origin": "https://evil.example", "Referer": "https://evil.example/"}
    for token in (None, "", form["csrf_token"]):
        sent = {"decision": "allow", "scopes": form["scopes"]} | ({} if token is None else {"csrf_token": token})
        shown_instead(alice.http.post(action, data=sent, headers=headers))
    assert not [event for event in apps.core.trace("consent.give") if event.actor == apps.core.row_id("alice")]


@pytest.mark.asvs("3.5.1")
@pytest.mark.contract("CSRF on consent")
def test_no_device_is_allowed_by_a_link_or_a_form_of_another_site(apps: Wire, alice: Person) -> None:
    begun = begin_device(apps)
    alice.http.get(f"/device?user_code={begun['user_code']}&decision=allow&scopes=orders:read")
    alice.http.get(f"/device/answer?user_code={begun['user_code']}&decision=allow&scopes=orders:read")
    for token in ({}, {"csrf_token": "x"}):
        sent = token | {"user_code": begun["user_code"], "decision": "allow", "scopes": "orders:read"}
        assert alice.http.post("/device/answer", data=sent).status_code == 400
    poll = {"grant_type": DEVICE_GRANT, "client_id": "app", "device_code": begun["device_code"]}
    assert apps.post("token", poll).json["error"] == "authorization_pending"


@pytest.mark.spec("RFC 9700 §4.16")
@pytest.mark.asvs("3.4.5", "3.4.6", "RFC 9700 §4.16")
@pytest.mark.contract("clickjacking")
def test_no_page_of_apps_is_framed_kept_or_named_to_others(apps: Wire, alice: Person) -> None:
    begun = begin_device(apps)
    [token, *_] = CSRF.findall(alice.http.get("/device").text)
    answers = [
        alice.open(prompt="consent"),
        alice.open(redirect_uri="https://evil.example/"),
        alice.open(scope="nonsense"),
        alice.answer(alice.open(prompt="consent")),
        alice.http.get("/device"),
        alice.http.get(f"/device?user_code={begun['user_code']}"),
        alice.http.post("/device", data={"csrf_token": token, "user_code": begun["user_code"]}),
        alice.http.get("/account/apps"),
        Person(apps).open(),
        Person(apps).http.get(f"/login?next={AUTHORIZE}?client_id=app"),
    ]
    for answer in answers:
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "no-store" in answer.headers["Cache-Control"], answer.status_code
        assert not answer.headers.get("Access-Control-Allow-Origin")


# --- what changed between question and answer


@pytest.mark.asvs("10.7.1", "RFC 9700 §4.7")
@pytest.mark.contract("CSRF on consent")
def test_an_answer_counts_for_the_user_who_was_asked(apps: Wire, alice: Person) -> None:
    """Bob signs in with the same browser while Alice's question is open in another tab."""
    page = alice.open(scope=BOTH, prompt="consent")
    alice.username = "bob"
    alice.sign_in()
    shown_instead(alice.answer(page))
    assert not [event for event in apps.core.trace("consent.give") if event.actor == apps.core.row_id("bob")]


def test_an_answer_after_signing_out_gives_nothing(apps: Wire, alice: Person) -> None:
    page = alice.open(prompt="consent")
    with alice.http.session_transaction("/login") as session:
        session.pop("secret")
    location = alice.answer(page).headers["Location"]
    assert location.startswith("/login?") and "code=" not in location


def test_a_redirect_uri_that_was_removed_meanwhile_gets_nothing(apps: Wire, alice: Person) -> None:
    register(apps, "moving")
    page, code = alice.open("moving"), alice.authorize()
    with apps.core.store.transaction() as session:
        moved = update(Client).where(Client.client_id == "moving").values(redirect_uris=["https://new.example/cb"])
        session.execute(moved)
    shown_instead(alice.answer(page))
    assert redeem(apps, code, client_id="moving").json["error"] == "invalid_grant"


def test_a_permission_that_was_deleted_meanwhile_is_not_given(own_wire: MakeWire) -> None:
    wire = own_wire()
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    page, code = alice.open(scope=BOTH, prompt="consent"), alice.authorize(scope=BOTH)
    device = begin_device(wire, BOTH)
    wire.core.drop_permission("orders:write")
    refused(alice.answer(page), "invalid_scope")
    assert redeem(wire, code, client_id="app").json["scope"] == "orders:read"
    [token, *_] = CSRF.findall(alice.http.get("/device").text)
    asked = alice.http.post("/device", data={"csrf_token": token, "user_code": device["user_code"]})
    assert asked.status_code == 400


def test_a_permission_that_was_recreated_meanwhile_is_not_what_was_agreed_to(own_wire: MakeWire) -> None:
    wire = own_wire()
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    alice.authorize(scope=BOTH)
    wire.core.drop_permission("orders:write")
    wire.core.add_permission(ORDERS, "orders:write")
    wire.core.give("clerk", "orders:write")
    refused(alice.open(scope=BOTH, prompt="none"), "consent_required")


def test_a_disabled_user_answers_nothing(apps: Wire) -> None:
    apps.core.user("eve", "clerk")
    eve = Person(apps, "eve")
    eve.sign_in()
    page = eve.open(prompt="consent")
    apps.core.enable("eve", False)
    assert eve.answer(page).headers["Location"].startswith("/login?")


# --- phishing


@pytest.mark.spec("RFC 8628 §5.4")
@pytest.mark.asvs("10.7.2")
@pytest.mark.contract("device code guessing and phishing")
def test_the_pages_of_a_device_say_that_nobody_asks_for_a_code(apps: Wire, alice: Person) -> None:
    begun = begin_device(apps)
    linked = alice.http.get(f"/device?user_code={begun['user_code']}")
    [token, *_] = CSRF.findall(linked.text)
    asked = alice.http.post("/device", data={"csrf_token": token, "user_code": begun["user_code"]})
    warning = "Only continue if you started this on a device in front of you; nobody from us asks for this code."
    for page in (linked, asked):
        assert warning in unescape(page.text)
    assert "Compare this code with the screen of your device" in linked.text
    assert f'dir="ltr">{begun["user_code"]}</strong>' in asked.text
    assert "app" in asked.text and "orders:read" in asked.text


@pytest.mark.asvs("10.7.2")
def test_the_question_names_the_app_the_scopes_and_where_the_browser_goes(apps: Wire, alice: Person) -> None:
    register(apps, "native", redirect_uris=["com.evil.app:/cb"], registered_by="itself")
    page = unescape(alice.open("native", redirect_uri="com.evil.app:/cb", scope=None, resource=ORDERS).text)
    assert (
        "Allow native to act for you?" in re.sub("<[^>]+>", "", page)
        and "com.evil.app:" in page
        and "(an app on this device)" in page
    )
    for scope in ("orders:read", "orders:write", "orders:list"):
        assert f"<code>{scope}</code>" in page
    assert "it registered itself" in page and ORDERS in page
    assert "end this at any time" in page


@pytest.mark.spec("RFC 9700 §4.3.1")
@pytest.mark.asvs("RFC 9700 §2.1, §4.1–4.5")
def test_a_code_goes_to_nobody_but_the_app(apps: Wire, alice: Person) -> None:
    answer = alice.answer(alice.open(prompt="consent"))
    assert parameters_of(answer)["code"] in answer.headers["Location"]
    assert parameters_of(answer)["code"] not in answer.text.replace(answer.headers["Location"], "")
    assert not [header for header, value in answer.headers if OF_APPS.search(value) and header != "Location"]


# --- secrets in the wrong place


@pytest.mark.asvs("16.2.5")
def test_no_secret_of_an_app_is_logged_kept_or_shown(
    own_wire: MakeWire, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = own_wire(registration="open", log_level="debug")
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    seen: set[str] = set()

    def note(answer: Any) -> Any:
        seen.update(OF_APPS.findall(answer.text + answer.headers.get("Location", "")))
        return answer.json

    answer = alice.answer(alice.open())
    note(answer)
    code = parameters_of(answer)["code"]
    tokens = note(redeem(wire, code, client_id="app"))
    note(redeem(wire, code, client_id="app"))
    fresh = note(redeem(wire, alice.authorize(), client_id="app"))
    rotated = note(refresh(wire, fresh["refresh_token"]))
    note(wire.post("device_authorization", {"client_id": "app", "scope": "orders:read"}))
    made = note(wire.http.post("/oauth/register", json={"redirect_uris": ["https://a.example/cb"]}))
    for secret in sorted(seen):  # and where they do not belong
        alice.http.get(AUTHORIZE, query_string={"client_id": secret, "state": secret, "redirect_uri": secret})
        alice.open(state=secret, scope=secret, resource=secret)
        alice.http.get(f"/device?user_code={secret}")
        alice.http.get(f"/login?next={AUTHORIZE}?code={secret}")
        wire.http.get(f"/oauth/register/{secret}", headers={"Authorization": f"Bearer {secret}"})
        wire.http.post(
            "/oauth/register", json={"client_name": secret, "redirect_uris": [f"https://a.example/{secret}"]}
        )
        wire.post("token", {"grant_type": secret, "client_id": secret, "code": secret, "scope": secret})
        wire.post("device_authorization", {"client_id": secret, "scope": secret, "resource": secret})
    wire.revoke(rotated["refresh_token"], client_id="app")
    assert len(seen) >= 6 and made["registration_access_token"] in seen
    written = capsys.readouterr().err + caplog.text + "".join(str(event.__dict__) for event in wire.core.trace())
    with wire.core.store.connection() as connection:
        for table in (AppGrant, RefreshToken, AuthorizationCode, DeviceCode, Client):
            written += str(connection.execute(select(table)).all())
    for secret in (*seen, tokens["access_token"].rsplit(".", 1)[1]):
        core = secret[secret.rindex("_") + 1 :][:32] if secret.startswith("lk_") else secret
        assert core not in written, secret[:9]
    assert seen.isdisjoint(OF_APPS.findall(alice.http.get("/account/apps").text))


# --- refusals that differ in nothing


@pytest.mark.spec("RFC 9700 §4.1")
def test_an_unknown_and_a_disabled_app_look_alike_to_a_stranger(apps: Wire) -> None:
    register(apps, "closed", enabled=False)
    nobody = Person(apps)
    pages = {
        re.sub(rf"{one}|nonce=\"[^\"]+\"|value=\"[^\"]+\"", "", shown_instead(nobody.open(one)))
        for one in ("closed", "nobody")
    }
    assert len(pages) == 1
    for form in (
        {"grant_type": "refresh_token", "refresh_token": "x"},
        {"grant_type": DEVICE_GRANT, "device_code": "x"},
    ):
        answers = {apps.post("token", form | {"client_id": one}).text for one in ("closed", "nobody")}
        assert len(answers) == 1


def test_a_foreign_code_and_an_invented_one_are_refused_alike_and_in_the_same_time(apps: Wire, alice: Person) -> None:
    register(apps, "thief")
    foreign = [alice.authorize(), alice.tokens()["refresh_token"]]
    invented = [f"{foreign[0][:-6]}{'0' * 6}", "lk_code_" + "0" * 38]
    grants = ("authorization_code", "refresh_token")

    def times(grant: str, secret: str) -> tuple[str, float]:
        form = {"grant_type": grant, "client_id": "thief", "code": secret, "refresh_token": secret}
        form |= {"redirect_uri": "https://app.example/callback", "code_verifier": "v" * 43}
        took = []
        for _ in range(15):
            began = time.perf_counter()
            answer = apps.post("token", form).text
            took.append(time.perf_counter() - began)
        return answer, min(took)  # of a busy machine the least is the cost

    for grant in grants:
        results = [times(grant, secret) for secret in (*foreign, *invented)]
        assert len({answer for answer, _ in results}) == 1
        assert max(took for _, took in results) - min(took for _, took in results) < 0.05


# --- resource servers


@pytest.mark.spec("RFC 9700 §4.9.1")
@pytest.mark.asvs("RFC 9700 §4.8–4.9")
def test_a_resource_server_makes_nothing_of_a_token_that_it_was_sent(apps: Wire, alice: Person) -> None:
    token = alice.tokens()["access_token"]
    assert apps.ask({"resource": STOCK}, Authorization=f"Bearer {token}").status_code in (401, 403)
    assert apps.introspect(token, apps.stockist) == {"active": False}
    assert apps.introspect(token, apps.shop)["client_id"] == "app"
    assert apps.exchange(token, apps.shop).status_code == 400
    assert apps.http.get("/api/v1/users", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert apps.http.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).status_code == 403
    for grant in (
        {"grant_type": "refresh_token", "refresh_token": token},
        {"grant_type": DEVICE_GRANT, "device_code": token},
    ):
        assert apps.post("token", grant | {"client_id": "app"}).json["error"] == "invalid_grant"
    apps.revoke(token, apps.shop)
    assert apps.core.active(token)  # it is the app's to revoke


@pytest.mark.asvs("10.4.4", "RFC 9700 §2.4")
def test_no_password_is_asked_for_by_anything_but_our_own_form(apps: Wire, alice: Person) -> None:
    """RFC 9700 §2.4: the password grant is not there."""
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD, "client_id": "app"}
    assert apps.post("token", form).json["error"] == "unsupported_grant_type"
    assert 'type="password"' not in alice.open(prompt="consent").text
    refused(alice.open(response_type="token"), "unsupported_response_type")
