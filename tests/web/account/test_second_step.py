"""The second step of a sign-in and the pages of second factors, in a browser without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyotp
import pytest
from werkzeug.test import TestResponse

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.sign_in.sessions import FRESH
from app.web import account, console
from tests.authenticator import Authenticator
from tests.core import ISSUER
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor, sign_in_at_once

COOKIE = "__Host-latchkey"
PAGE = "/account/second-factor"
CODE = re.compile(r"^(?:[0-9a-z]{4}-){5}[0-9a-z]{4}$", re.MULTILINE)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("second-step"), rate_limits="off", require_second_factor="off")
    yield made
    stop_face(made)


@dataclass
class Person:
    """A user with an authenticator app, whose next code is always of a step that was not used."""

    face: Face
    name: str
    app: pyotp.TOTP

    @property
    def actor(self) -> Actor:
        return Actor("user", self.face.core.row_id(self.name), self.name)

    def next_code(self) -> str:
        self.face.core.clock.advance(seconds=30)
        return self.app.at(self.face.core.clock())


def browser(face: Face) -> Visitor:
    return Visitor(face.app.test_client())


def person(face: Face, *scopes: str) -> Person:
    name, factors = face.person(*scopes), face.core.actions.second_factors
    sealed = factors.one_time_codes.make()
    app = pyotp.TOTP(factors.one_time_codes.reveal(sealed) or "")
    made = Person(face, name, app)
    factors.add_app(made.actor, sealed, app.at(face.core.clock()), "")
    return made


def sign_in(who: Person, onward: str = "") -> Visitor:
    """Sign in with both factors."""
    visitor = browser(who.face)
    assert visitor.sign_in(who.name, PASSWORD, onward).location == "/login/second"
    visitor.get("/login/second")
    answer = visitor.post("/login/second", method="otp", code=who.next_code())
    assert answer.status_code == 303 and answer.location == (onward or "/account/tokens"), answer.text
    return visitor


def is_in(who: Visitor) -> bool:
    return who.get("/account").status_code == 200


def cookie_of(who: Visitor) -> str:
    found = who.http.get_cookie(COOKIE)
    return "" if found is None else str(found.value)


def add_passkey(face: Face, who: Visitor) -> tuple[Authenticator, TestResponse]:
    """Add a passkey as the script of the page does."""
    made = Authenticator(ISSUER, "login.example")
    who.get(PAGE)
    asked = who.http.post(f"{PAGE}/passkeys/options", data={"csrf_token": who._token})
    assert asked.status_code == 200 and asked.headers["Cache-Control"] == "no-store"
    return made, who.post(f"{PAGE}/passkeys", name="phone", credential=made.make(asked.text))


def use_passkey(who: Visitor, made: Authenticator, path: str, options: str, **fields: str) -> TestResponse:
    asked = who.http.post(options, data={"csrf_token": who._token})
    return who.post(path, method="pop", credential=made.use(asked.text), **fields)


@pytest.mark.asvs("6.3.3", "7.2.4")
@pytest.mark.contract("a second factor after the password; the password alone lets nobody in")
def test_the_password_alone_lets_nobody_in_who_has_a_second_factor(face: Face) -> None:
    who, visitor = person(face), browser(face)
    visitor.get("/login")
    before = cookie_of(visitor)
    assert visitor.sign_in(who.name, PASSWORD, "/account").location == "/login/second"
    assert not is_in(visitor) and visitor.get("/api/v1/me").status_code == 401
    for path in ("/login/confirm", "/account/second-factor", "/console"):
        assert visitor.get(path).status_code in (303, 403)
    visitor.get("/login/second")
    pending = cookie_of(visitor)
    assert visitor.post("/login/second", method="otp", code=who.next_code()).location == "/account"
    assert is_in(visitor) and len({before, pending, cookie_of(visitor)}) == 3
    begun = face.core.trace("user_session.begin")[-1]
    assert begun.details["methods"] == ["pwd", "otp"]


@pytest.mark.asvs("6.3.8")
@pytest.mark.contract("a wrong password never says whether there is a second factor")
def test_a_wrong_password_never_says_whether_there_is_a_second_factor(face: Face) -> None:
    answers = []
    for name in (person(face).name, face.person(), "nobody"):
        answer = browser(face).sign_in(name, "wrong password")
        answers.append((answer.status_code, re.sub(r'value="[^"]*"|nonce[-=][^ ;>]*', "", answer.text)))
        assert face.me(name, "wrong password").status_code == 401
    assert answers[0][0] == 401 and len({text for _, text in answers}) == 1


@pytest.mark.contract("the second step expires after ten minutes, in the browser that began")
def test_the_second_step_expires_and_belongs_to_one_browser(face: Face) -> None:
    who, visitor, other = person(face), browser(face), browser(face)
    visitor.sign_in(who.name, PASSWORD)
    other.get("/login")
    assert other.post("/login/second", method="otp", code=who.next_code()).location == "/login"
    face.core.clock.advance(minutes=10)
    assert visitor.get("/login/second").location == "/login"
    assert visitor.post("/login/second", method="otp", code=who.next_code()).location == "/login"
    assert "took too long" in visitor.get("/login").text and not is_in(visitor)


def test_a_wrong_code_asks_again_and_a_missing_method_is_refused(face: Face) -> None:
    who, visitor = person(face), browser(face)
    visitor.sign_in(who.name, PASSWORD)
    visitor.get("/login/second")
    for fields in ({"method": "otp", "code": "000000"}, {"method": "rec", "recovery_code": "x"}, {"method": "pwd"}, {}):
        refused = visitor.post("/login/second", **fields)
        assert refused.status_code == 401 and 'role="alert"' in refused.text
    assert visitor.post("/login/second", method="otp", code=who.next_code()).status_code == 303


@pytest.mark.contract("a sign-in of a form of another site is refused, also the second step")
@pytest.mark.parametrize(
    "path",
    [
        *("/login/second", "/login/second/options", "/login/passkey", "/login/passkey/options"),
        *("/login/confirm", "/login/confirm/options", f"{PAGE}/passkeys", f"{PAGE}/app", f"{PAGE}/recovery-codes"),
    ],
)
def test_a_form_of_another_site_is_refused(face: Face, path: str) -> None:
    who = person(face)
    visitor = sign_in(who)
    events = len(face.core.trace())
    assert visitor.http.post(path, data={"method": "otp", "code": who.next_code()}).status_code == 400
    assert len(face.core.trace()) == events


def test_a_disabled_user_does_not_finish_the_second_step(face: Face) -> None:
    who, visitor = person(face), browser(face)
    visitor.sign_in(who.name, PASSWORD)
    visitor.get("/login/second")
    face.core.enable(who.name, False)
    assert visitor.post("/login/second", method="otp", code=who.next_code()).status_code == 401
    assert not is_in(visitor)


def test_a_recovery_code_lets_in_once_and_says_how_many_are_left(face: Face) -> None:
    who = person(face)
    code = face.core.actions.second_factors.make_recovery_codes(who.actor)[0]
    for status in (303, 401):
        visitor = browser(face)
        visitor.sign_in(who.name, PASSWORD)
        visitor.get("/login/second")
        assert visitor.post("/login/second", method="rec", recovery_code=code).status_code == status
        assert is_in(visitor) is (status == 303)


@pytest.mark.asvs("7.4.3")
@pytest.mark.contract("an authenticator app is set up by a first code; its secret is shown until then and never again")
def test_an_app_is_set_up_by_a_first_code(face: Face) -> None:
    name = face.person()
    visitor = sign_in_at_once(face, name)
    visitor.get(PAGE)
    assert visitor.post(f"{PAGE}/app").location == f"{PAGE}/app"
    page = visitor.get(f"{PAGE}/app")
    secret = re.findall(r'id="secret" value="([A-Z2-7]{32})"', page.text)[0]
    assert "<svg" in page.text and " style=" not in page.text and page.headers["Cache-Control"] == "no-store"
    assert visitor.post(f"{PAGE}/app/confirm", code="000000").status_code == 422
    app = pyotp.TOTP(secret)
    shown = visitor.post(f"{PAGE}/app/confirm", code=app.at(face.core.clock()))
    assert shown.location == f"{PAGE}/recovery-codes"
    codes = CODE.findall(visitor.get(shown.location).text.replace("<code>", "\n").replace("</code>", "\n"))
    assert len(codes) == 10
    assert "shown once" in visitor.get(shown.location).text and codes[0] not in visitor.get(shown.location).text
    assert visitor.get(f"{PAGE}/app").location == PAGE and secret not in visitor.get(PAGE).text
    assert [event.action for event in face.core.trace()][-1] == "user.factor.add"


def test_a_passkey_is_added_used_alone_and_after_the_password_and_removed(face: Face) -> None:
    name = face.person()
    visitor = sign_in_at_once(face, name)
    made, added = add_passkey(face, visitor)
    assert added.location == f"{PAGE}/recovery-codes"
    alone = browser(face)
    alone.get("/login")
    came = use_passkey(alone, made, "/login/passkey", "/login/passkey/options", next="/account")
    assert came.location == "/account" and is_in(alone)
    assert face.core.trace("user_session.begin")[-1].details["methods"] == ["pop"]
    after = browser(face)
    after.sign_in(name, PASSWORD)
    after.get("/login/second")
    assert use_passkey(after, made, "/login/second", "/login/second/options").location == "/account/tokens"
    page = after.get(PAGE).text
    [remove] = re.findall(rf'href="({PAGE}/passkeys/psk_[0-9a-f]+/remove)"', page)
    assert "phone" in page and "Remove phone?" in after.get(remove).text
    assert after.post(remove).location == PAGE
    assert browser(face).sign_in(name, PASSWORD).location == "/account/tokens"


@pytest.mark.contract("a passkey for another origin, server, challenge or user is refused")
def test_a_challenge_is_for_one_purpose_and_one_browser(face: Face) -> None:
    name = face.person()
    made, _ = add_passkey(face, sign_in_at_once(face, name))
    visitor, other = browser(face), browser(face)
    for one in (visitor, other):
        one.get("/login")
    asked = visitor.http.post("/login/passkey/options", data={"csrf_token": visitor._token}).text
    assert other.post("/login/passkey", credential=made.use(asked)).location == "/login"
    visitor.sign_in(name, PASSWORD)
    visitor.get("/login/second")
    assert visitor.post("/login/second", method="pop", credential=made.use(asked)).status_code == 401
    assert "not accepted" in other.get("/login").text and not is_in(visitor) and not is_in(other)


def test_a_challenge_expires(face: Face) -> None:
    made, _ = add_passkey(face, sign_in_at_once(face, face.person()))
    visitor = browser(face)
    visitor.get("/login")
    asked = visitor.http.post("/login/passkey/options", data={"csrf_token": visitor._token}).text
    face.core.clock.advance(minutes=10)
    assert visitor.post("/login/passkey", credential=made.use(asked)).location == "/login" and not is_in(visitor)


def test_a_second_factor_passkey_of_another_user_is_refused(face: Face) -> None:
    victim, attacker = person(face), face.person()
    made, _ = add_passkey(face, sign_in_at_once(face, attacker))
    visitor = browser(face)
    visitor.sign_in(victim.name, PASSWORD)
    visitor.get("/login/second")
    assert use_passkey(visitor, made, "/login/second", "/login/second/options").status_code == 401
    assert not is_in(visitor)


def protected_routes() -> list[tuple[str, str]]:
    """Return each route of the pages that asks again: what mints or shows a credential, and all of the console."""
    asked = {(route.method, rule) for routes in account.ROUTES for rule, route in own_rules(routes) if route.confirmed}
    for routes in console.ROUTES:
        asked |= {(route.method, rule) for rule, route in own_rules(routes) if "<path:" not in rule}
    return sorted(asked)


def own_rules(routes: object) -> Iterator[tuple[str, object]]:
    for route in routes._routes:  # type: ignore[attr-defined]
        yield f"{routes._path or ''}{route.rule}", route  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def stale(face: Face) -> Visitor:
    """An operator's browser whose second factor was used too long ago."""
    visitor = sign_in(person(face, "manage"))
    face.core.clock.advance(seconds=FRESH.total_seconds())
    visitor.get("/account")
    return visitor


@pytest.mark.asvs("7.5.1", "7.5.3")
@pytest.mark.contract("making a credential and the console ask again after 15 minutes")
@pytest.mark.parametrize(("method", "rule"), protected_routes(), ids=lambda part: str(part))
def test_each_protected_page_asks_again(face: Face, stale: Visitor, method: str, rule: str) -> None:
    path = re.sub(r"<row:[^>]*>|<[^>]*>", "usr_1", rule)
    events = len(face.core.trace())
    answer = stale.get(path) if method == "GET" else stale.post(path)
    assert answer.status_code == 303 and str(answer.location).startswith("/login/confirm?next=/"), answer.text[:300]
    assert len(face.core.trace()) == events


def test_the_routes_that_ask_again_are_these() -> None:
    own = {rule for _, rule in protected_routes() if not rule.startswith("/console")}
    assert own == {
        *("/account/password", "/account/tokens", "/account/tokens/new"),
        "/account/tokens/<row:token_id>/regenerate",
    }
    assert len(protected_routes()) > 80


@pytest.mark.parametrize("path", ["", "/passkeys/options", "/passkeys", "/app", "/app/confirm", "/recovery-codes"])
@pytest.mark.asvs("7.5.1")
@pytest.mark.contract("changing a factor asks again after 15 minutes, without one for the password")
def test_changing_a_factor_asks_again_also_for_the_password(face: Face, path: str) -> None:
    name = face.person()
    visitor = browser(face)
    visitor.sign_in(name, PASSWORD)
    visitor.get("/account")
    face.core.clock.advance(seconds=FRESH.total_seconds())
    answer = visitor.post(PAGE + path) if path else visitor.get(PAGE)
    assert answer.status_code == 303 and str(answer.location).startswith("/login/confirm?next=/account/second-factor")
    assert visitor.get(answer.location).status_code == 200
    assert visitor.post("/login/confirm", password="wrong", next=PAGE).status_code == 401
    assert visitor.post("/login/confirm", password=PASSWORD, next=PAGE).location == PAGE
    assert visitor.get(PAGE).status_code == 200
    assert visitor.get("/account/tokens/new").status_code == 200


@pytest.mark.asvs("7.2.4")
@pytest.mark.contract("making a credential and the console ask again after 15 minutes")
def test_a_confirmed_user_goes_back_and_has_a_new_session_secret(face: Face) -> None:
    who = person(face, "manage")
    visitor = sign_in(who)
    face.core.clock.advance(seconds=FRESH.total_seconds())
    asked = visitor.get("/console/users?sort=username")
    assert visitor.get(asked.location).status_code == 200
    before = cookie_of(visitor)
    assert visitor.post("/login/confirm", method="otp", code="000000").status_code == 401
    assert visitor.post("/login/confirm", password=PASSWORD).status_code == 401  # the password does not suffice
    confirmed = visitor.post("/login/confirm", method="otp", code=who.next_code(), next="/console/users?sort=username")
    assert confirmed.location == "/console/users?sort=username" and visitor.get("/console/users").status_code == 200
    old = browser(face)
    old.http.set_cookie(COOKIE, before, secure=True)
    assert not is_in(old) and face.core.trace("user_session.confirm")[-1].details["method"] == "otp"


def test_a_session_that_began_with_the_password_alone_confirms_at_once(face: Face) -> None:
    who = person(face, "manage")
    visitor = sign_in_at_once(face, who.name)  # as before the user had a factor
    assert str(visitor.get("/console").location).startswith("/login/confirm")


@pytest.mark.contract("a second factor closes Basic at /me, and says where to go")
def test_a_password_alone_does_not_open_me(face: Face) -> None:
    who = person(face)
    refused = face.me(who.name)
    assert refused.status_code == 401 and f"{ISSUER}/account/tokens" in refused.json["detail"]
    assert face.me(who.name, path="/personal-access-tokens", method="POST", json={}).status_code == 401
    assert "second factor" not in face.me(who.name, "wrong").text
    assert face.me(face.person()).status_code == 200


def test_the_api_of_a_page_asks_to_confirm_before_it_makes_a_token(face: Face) -> None:
    who = person(face, "orders:read")
    visitor = sign_in(who)
    visitor.get("/account")
    body, token = {"name": "one", "scopes": ["orders:read"]}, {"X-CSRF-Token": visitor._token}
    assert visitor.http.post("/api/v1/me/personal-access-tokens", json=body, headers=token).status_code == 201
    face.core.clock.advance(seconds=FRESH.total_seconds())
    refused = visitor.http.post("/api/v1/me/personal-access-tokens", json=body, headers=token)
    assert refused.status_code == 403 and "/login/confirm" in refused.json["detail"]
    assert visitor.http.get("/api/v1/me").status_code == 200


def test_an_operator_resets_the_factors_of_another_user_after_a_question(face: Face) -> None:
    lost = person(face)
    operator = sign_in_at_once(face, face.person("manage"))
    page = operator.get(f"/console/users/{lost.actor.id}").text
    assert "Reset the second factors" in page
    question = operator.get(f"/console/users/{lost.actor.id}/reset-factors")
    assert lost.name in question.text
    assert operator.post(f"/console/users/{lost.actor.id}/reset-factors").status_code == 303
    assert browser(face).sign_in(lost.name, PASSWORD).location == "/account/tokens"
    assert "They have none" in operator.get(f"/console/users/{lost.actor.id}").text


@pytest.mark.contract("an operator resets lost second factors; the sign-ins end")
def test_the_api_resets_factors_for_whom_the_caller_may_change(face: Face) -> None:
    lost, administrator = person(face), person(face, "manage")
    token = face.machine("users:write")
    path = f"/users/{lost.actor.id}/factors"
    assert face.call("DELETE", path, face.machine("users:read")).status_code == 403
    assert face.call("DELETE", path, face.pat("users:write")).status_code == 403
    assert face.call("DELETE", f"/users/{administrator.actor.id}/factors", token).status_code == 403
    assert face.call("DELETE", path, token).status_code == 204
    assert face.call("DELETE", path, token).status_code == 404
    assert face.call("DELETE", "/users/usr_1/factors", token).status_code == 404


@pytest.fixture
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("strict"), rate_limits="off", require_second_factor="everybody")
    yield made
    stop_face(made)


@pytest.mark.contract("a user who must have a second factor sets one up first, and keeps the last one")
def test_a_user_who_must_have_a_factor_reaches_its_set_up_alone(strict: Face) -> None:
    name = strict.person("orders:read")
    visitor = browser(strict)
    visitor.sign_in(name, PASSWORD)
    for path in ("/account", "/account/tokens", "/account/tokens/new", "/account/apps", "/device", "/compare"):
        assert path == "/compare" or str(visitor.get(path).location).startswith(PAGE), path
    assert visitor.get("/api/v1/me").status_code == 403
    refused = strict.me(name)
    assert refused.status_code == 401 and f"{ISSUER}{PAGE}" in refused.json["detail"]
    assert "must have a second factor" in visitor.get(PAGE).text
    _, added = add_passkey(strict, visitor)
    assert added.location == f"{PAGE}/recovery-codes" and visitor.get("/account/tokens").status_code == 200


@pytest.mark.contract("a user who must have a second factor sets one up first, and keeps the last one")
def test_the_last_factor_of_a_user_who_must_have_one_stays(strict: Face) -> None:
    who = person(strict)
    visitor = sign_in(who)
    visitor.get(PAGE)
    refused = visitor.post(f"{PAGE}/app/remove")
    assert refused.status_code == 409 and "last second factor" in refused.text
    add_passkey(strict, visitor)
    assert visitor.post(f"{PAGE}/app/remove").status_code == 303
    strict.core.actions.second_factors.reset(OPERATOR, who.actor.id)
    assert not is_in(visitor)


def test_administrators_must_have_one_once_one_of_them_has(tmp_path_factory: pytest.TempPathFactory) -> None:
    face = start_face(tmp_path_factory.mktemp("default"), rate_limits="off")
    administrator, other, user = face.person("manage"), face.person("manage"), face.person()
    visitor = sign_in_at_once(face, other)
    assert visitor.get("/console").status_code == 200
    add_passkey(face, sign_in_at_once(face, administrator))
    assert str(visitor.get("/console").location).startswith(PAGE)
    assert face.me(other).status_code == 401 and face.me(user).status_code == 200
    assert sign_in_at_once(face, user).get("/account").status_code == 200
    stop_face(face)


@pytest.mark.parametrize(("setting", "asked"), [("off", False), ("administrators", True)])
def test_the_setting_says_who_must_have_one(
    tmp_path_factory: pytest.TempPathFactory, setting: str, asked: bool
) -> None:
    face = start_face(tmp_path_factory.mktemp(setting), rate_limits="off", require_second_factor=setting)
    visitor = sign_in_at_once(face, face.person("manage"))
    assert (visitor.get("/account").status_code == 303) is asked
    assert sign_in_at_once(face, face.person()).get("/account").status_code == 200
    stop_face(face)


def test_a_server_without_a_name_says_so_instead_of_offering_passkeys(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    face = start_face(tmp_path_factory.mktemp("no-name"), rate_limits="off", issuer="http://127.0.0.1:8080")
    visitor = browser(face)
    visitor.sign_in(face.person(), PASSWORD)
    page = visitor.get(PAGE).text
    assert "127.0.0.1" in page and "http://localhost" in page and "data-passkey=" not in page
    assert "data-passkey=" not in browser(face).get("/login").text
    assert visitor.post(f"{PAGE}/passkeys/options").status_code == 409
    stop_face(face)


def test_what_a_script_asks_for_holds_nothing_of_an_account_before_the_password(face: Face) -> None:
    visitor = browser(face)
    visitor.get("/login")
    asked = json.loads(visitor.http.post("/login/passkey/options", data={"csrf_token": visitor._token}).text)
    assert not asked.get("allowCredentials") and asked["rpId"] == "login.example"
    assert visitor.http.post("/login/second/options", data={"csrf_token": visitor._token}).status_code == 400
