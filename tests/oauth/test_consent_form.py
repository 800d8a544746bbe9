"""The answer to the question of consent: which scopes, by whom, and only from our own page."""

from typing import Any

import pytest

from tests.oauth.authorizing import (
    AUTHORIZE,
    CALLBACK,
    Person,
    consent_form,
    parameters_of,
    redeem,
    refused,
    register,
    shown_instead,
)
from tests.oauth.wire import ORDERS, STOCK, Wire

BOTH = {"scope": "orders:read orders:write", "prompt": "consent"}


@pytest.fixture(scope="module")
def apps(wire: Wire) -> Wire:
    register(wire, "app")
    register(wire, "other")
    return wire


@pytest.fixture
def alice(apps: Wire) -> Person:
    person = Person(apps)
    person.sign_in()
    return person


def test_each_scope_may_be_left_out(alice: Person) -> None:
    page = alice.open(**BOTH)
    assert consent_form(page)[1]["scopes"] == ["orders:read", "orders:write"]
    code = parameters_of(alice.answer(page, scopes=["orders:write"]))["code"]
    assert redeem(alice.wire, code, client_id="app").json["scope"] == "orders:write"


def test_a_resource_without_a_chosen_scope_is_left_out(alice: Person) -> None:
    page = alice.open(scope="orders:read stock:read", resource=[ORDERS, STOCK], prompt="consent")
    code = parameters_of(alice.answer(page, scopes=["stock:read"]))["code"]
    answer = redeem(alice.wire, code, client_id="app").json
    assert answer["scope"] == "stock:read"
    assert alice.wire.introspect(answer["access_token"])["aud"] == [STOCK]


@pytest.mark.spec("RFC 6749 §4.1.2.1")
def test_a_refusal_is_access_denied(alice: Person) -> None:
    refused(alice.answer(alice.open(**BOTH), "deny"), "access_denied")
    refused(alice.answer(alice.open(**BOTH), "deny", scopes=[]), "access_denied")


@pytest.mark.parametrize("scopes", [[], ["stock:read"], ["orders:read", "manage"], ["orders:read orders:write"]])
def test_no_scope_and_one_that_was_not_asked_for_show_the_question_again(alice: Person, scopes: Any) -> None:
    state = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhYmNkZWZnaGlqa2xtbm9wIn0.c2lnbmF0dXJlc2lnbmF0dXJl"
    again = alice.answer(alice.open(**BOTH, state=state), scopes=scopes)
    assert "Location" not in again.headers and again.content_type.startswith("text/html")
    assert parameters_of(alice.answer(again, scopes=["orders:read"]))["state"] == state


@pytest.mark.parametrize("decision", [[], ["ALLOW"], ["allow", "deny"], ["allow", "allow"], ["x"]])
def test_a_decision_is_allow_or_deny(alice: Person, decision: list[str]) -> None:
    action, form = consent_form(alice.open(**BOTH))
    shown_instead(alice.http.post(action, data=form | {"decision": decision}))


@pytest.mark.spec("RFC 9700 §4.7")
def test_a_form_of_another_page_is_refused(alice: Person, apps: Wire) -> None:
    action, form = consent_form(alice.open(**BOTH))
    eve = Person(apps)
    eve.sign_in()
    foreign = consent_form(eve.open(**BOTH))[1]["csrf_token"]
    for token in (None, "", "x", foreign):
        for decision in ("allow", "deny"):
            sent = {n: v for n, v in (form | {"csrf_token": token, "decision": decision}).items() if v is not None}
            shown_instead(alice.http.post(action, data=sent))
    shown_instead(alice.http.post(action, json=form | {"decision": "allow"}), 415)


@pytest.mark.asvs("10.4.13")
def test_the_request_is_checked_again_in_full(alice: Person, apps: Wire) -> None:
    action, form = consent_form(alice.open(**BOTH))
    sent = form | {"decision": "allow"}

    def answer(old: str, new: str) -> Any:
        assert old in action
        return alice.http.post(action.replace(old, new), data=sent)

    shown_instead(answer("client_id=app", "client_id=nobody"))
    shown_instead(answer("app.example", "evil.example"))
    refused(answer("S256", "plain"), "invalid_request")
    refused(answer("response_type=code", "response_type=token"), "unsupported_response_type")
    refused(answer("orders%3Aread", "nonsense"), "invalid_scope")
    shown_instead(alice.http.post(f"{AUTHORIZE}/consent", data=sent))


def test_a_right_that_was_lost_meanwhile_is_not_consented_to(apps: Wire) -> None:
    apps.core.role("temporary", "user", "orders:read")
    apps.core.user("carol", "temporary")
    carol = Person(apps, "carol")
    carol.sign_in()
    page = carol.open(prompt="consent")
    apps.core.drop_role("temporary")
    refused(carol.answer(page), "invalid_scope")


def test_a_disabled_client_gets_no_code_by_a_form_from_before(apps: Wire) -> None:
    register(apps, "closing")
    carol = Person(apps)
    carol.sign_in()
    page = carol.open("closing")
    apps.core.enable("closing", False)
    shown_instead(carol.answer(page))


def test_consent_is_one_event_and_names_the_scopes(alice: Person) -> None:
    code = parameters_of(alice.answer(alice.open("other", **BOTH), scopes=["orders:read"]))["code"]
    [event] = [event for event in alice.wire.core.trace("consent.give") if event.target == "other"]
    assert event.details["scopes"] == ["orders:read"]
    assert all(code not in str(event.details) for event in alice.wire.core.trace())
    assert redeem(alice.wire, code, client_id="other", redirect_uri=CALLBACK).status_code == 200


@pytest.mark.parametrize("method", ["get", "put", "delete", "patch"])
def test_the_form_is_posted_only(alice: Person, method: str) -> None:
    action, _ = consent_form(alice.open(**BOTH))
    assert getattr(alice.http, method)(action).status_code == 405
