"""Sessions of browsers beyond signing in and out: secrets, re-authentication, ending others (ASVS 5.0.0 chapter V7)."""

import pytest

from tests.management.face import PASSWORD, Face
from tests.web.visitor import Visitor, browser_of

pytestmark = pytest.mark.both_databases

COOKIE = "__Host-latchkey"
BETTER = "a lamp beneath the seventh stair"


def cookie_of(who: Visitor) -> str:
    cookie = who.http.get_cookie(COOKIE)
    assert cookie is not None
    return str(cookie.value)


def opens(face: Face, cookie: str) -> bool:
    other = Visitor(face.app.test_client())
    other.http.set_cookie(COOKIE, cookie)
    return other.get("/account").status_code == 200


def sessions_of(face: Face, name: str) -> list[str]:
    return [one.id for one in face.core.actions.sessions.page(face.core.row_id(name))]


@pytest.mark.asvs("7.2.2", "7.2.3", "11.5.1")
def test_each_sign_in_has_a_long_secret_of_its_own(face: Face) -> None:
    actor = face.core.actions.authenticate_user(face.person(), PASSWORD, None, None)
    secrets = {face.core.actions.sessions.begin(actor, "").secret for _ in range(50)}
    assert len(secrets) == 50
    assert all(len(secret) * 6 >= 256 for secret in secrets)  # base64url


@pytest.mark.asvs("7.2.4")
@pytest.mark.contract("authenticating again gives a new session secret; a stale sign-in cannot end others")
def test_signing_in_again_ends_the_session_before(face: Face) -> None:
    name = face.person()
    who = browser_of(face, name)
    before, token = cookie_of(who), who.get("/account")
    assert token.status_code == 200
    assert who.post("/login", username=name, password=PASSWORD).status_code == 303
    assert opens(face, cookie_of(who)) and not opens(face, before)
    assert len(sessions_of(face, name)) == 1


def test_a_failed_sign_in_ends_nothing(face: Face) -> None:
    name = face.person()
    who = browser_of(face, name)
    who.get("/account")
    assert who.post("/login", username=name, password="wrong").status_code == 401
    assert opens(face, cookie_of(who))


@pytest.mark.asvs("7.2.4")
@pytest.mark.contract("authenticating again gives a new session secret; a stale sign-in cannot end others")
def test_a_changed_password_changes_the_secret_of_the_session(face: Face) -> None:
    name = face.person()
    who = browser_of(face, name)
    before = cookie_of(who)
    who.get("/account")
    done = who.post("/account/password", present=PASSWORD, password=BETTER, again=BETTER)
    assert done.status_code == 303
    assert opens(face, cookie_of(who)) and not opens(face, before)
    assert "Your password is changed" in who.get("/account").text


@pytest.mark.asvs("7.5.2")
@pytest.mark.contract("authenticating again gives a new session secret; a stale sign-in cannot end others")
def test_ending_another_sign_in_takes_a_fresh_one_or_the_password(face: Face) -> None:
    name = face.person()
    who, other = browser_of(face, name), browser_of(face, name)
    face.core.clock.advance(minutes=16)
    page = who.get("/account").text
    assert "End all others" not in page and "to end other sign-ins" in page
    assert who.post("/account/sessions/end-others").status_code == 403
    for one in sessions_of(face, name):
        if f"/account/sessions/{one}/end" not in page:  # this one's own button is there
            assert who.post(f"/account/sessions/{one}/end").status_code == 403
    assert who.post("/account/confirm", confirmed="wrong").status_code == 422
    assert opens(face, cookie_of(other))
    before = cookie_of(who)
    assert who.post("/account/confirm", confirmed=PASSWORD).status_code == 303
    assert not opens(face, before)
    assert "End all others" in who.get("/account").text
    assert who.post("/account/sessions/end-others").status_code == 303
    assert not opens(face, cookie_of(other)) and opens(face, cookie_of(who))


def test_ones_own_session_ends_at_any_time(face: Face) -> None:
    name = face.person()
    who = browser_of(face, name)
    face.core.clock.advance(hours=3)
    who.get("/account")
    assert who.post(f"/account/sessions/{sessions_of(face, name)[0]}/end").status_code == 303
    assert not opens(face, cookie_of(who))
