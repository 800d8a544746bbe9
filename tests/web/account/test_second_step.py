"""The second step of a sign-in and the pages of second factors, in a browser without scripts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pyotp
import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.one_time_links import NewLink
from app.web.visitors import LONGEST_CONTINUED
from tests.core import ISSUER
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.account.factors import (
    PAGE,
    add_passkey,
    browser,
    cookie_of,
    is_in,
    person,
    sign_in,
    use_passkey,
)
from tests.web.visitor import sign_in_at_once

CODE = re.compile(r"^(?:[0-9a-z]{4}-){5}[0-9a-z]{4}$", re.MULTILINE)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("second-step"), rate_limits="off", require_second_factor="off")
    yield made
    stop_face(made)


@pytest.mark.asvs("6.3.3", "7.2.4")
@pytest.mark.contract("a second factor after the password; the password alone lets nobody in")
def test_the_password_alone_lets_nobody_in_who_has_a_second_factor(face: Face) -> None:
    who, visitor = person(face), browser(face)
    visitor.get("/login")
    before = cookie_of(visitor)
    assert visitor.sign_in(who.name, PASSWORD, "/account").location == "/login/second?next=/account"
    assert not is_in(visitor) and visitor.get("/api/v1/me").status_code == 401
    for path in ("/login/confirm", "/account/second-factor", "/console"):
        assert visitor.get(path).status_code in (303, 403)
    assert 'name="next" value="/account"' in visitor.get("/login/second?next=/account").text
    pending = cookie_of(visitor)
    assert visitor.post("/login/second", method="otp", code=who.next_code(), next="/account").location == "/account"
    assert is_in(visitor) and len({before, pending, cookie_of(visitor)}) == 3
    begun = face.core.trace("user_session.begin")[-1]
    assert begun.details["methods"] == ["pwd", "otp"]


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
        assert ("recovery code, and have 9 left" in visitor.get("/account").text) is is_in(visitor) is (status == 303)


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


@pytest.mark.asvs("6.3.3")
@pytest.mark.contract("a second factor after the password; the password alone lets nobody in")
def test_a_passkey_is_not_downgraded_to_the_password(face: Face) -> None:
    name = face.person("manage")
    owner = sign_in_at_once(face, name)
    made, _ = add_passkey(face, owner)
    thief = browser(face)
    assert str(thief.sign_in(name, PASSWORD).location).startswith("/login/second")
    thief.get("/login/second")
    sent: list[dict[str, str]] = [
        {"method": "pwd", "password": PASSWORD},
        {"method": "otp", "code": "000000"},
        {"method": "rec", "recovery_code": "0000-0000-0000-0000-0000-0000"},
        {"method": "pop", "credential": "{}"},
        {"method": "pop"},
        {},
    ]
    for fields in sent:
        assert thief.post("/login/second", **fields).status_code == 401 and not is_in(thief)
    assert face.me(name).status_code == 401
    face.core.clock.advance(minutes=15)  # a session of the owner that was left open
    owner.get("/login/confirm?next=/console")
    for fields in ({"password": PASSWORD}, *sent):
        assert owner.post("/login/confirm", **fields).status_code == 401
    assert str(owner.get("/console").location).startswith("/login/confirm")
    owner.get("/login/confirm")
    confirmed = use_passkey(owner, made, "/login/confirm", "/login/confirm/options", next="/console")
    assert confirmed.location == "/console" and owner.get("/console").status_code == 200
    link = face.core.actions.one_time_links.create(OPERATOR, face.core.row_id(name), NewLink("reset")).url or ""
    thief.get("/login/link")  # a reader of the mail has the password, and not the passkey
    sent_by_link = {"code": link.partition("#")[2], "password": "seventeen yellow umbrellas"}
    onward = thief.post("/login/link/password", **sent_by_link, again=sent_by_link["password"])
    assert str(onward.location).startswith("/login/second") and not is_in(thief)


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


def test_the_longest_request_of_an_app_survives_the_second_step(face: Face) -> None:
    onward = f"/oauth/authorize?state={'s' * (LONGEST_CONTINUED - 30)}"
    who = person(face)
    visitor = sign_in(who, onward)
    assert is_in(visitor) and len(cookie_of(visitor)) < 1_000


@pytest.mark.contract("a sign-in of a form of another site is refused, also the second step")
@pytest.mark.parametrize("onward", ["https://evil.example/", "//evil.example/", "/\\evil.example", "/oauth/../evil"])
def test_the_second_step_redirects_to_no_other_site(face: Face, onward: str) -> None:
    who, visitor = person(face), browser(face)
    assert visitor.sign_in(who.name, PASSWORD, onward).location == "/login/second"
    visitor.get("/login/second")
    done = visitor.post("/login/second", method="otp", code=who.next_code(), next=onward)
    assert done.location == "/account/tokens"
    confirmed = visitor.get(f"/login/confirm?next={onward}")
    assert confirmed.location == "/account/tokens"
