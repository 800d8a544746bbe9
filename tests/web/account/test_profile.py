"""/account: the profile, the sign-ins and the password."""

from collections.abc import Iterator

import pytest

from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor, browser_of

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
BETTER = "a lamp beneath the seventh stair"


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("account"), rate_limits="off")
    yield made
    stop_face(made)


def sessions_of(face: Face, name: str) -> list[str]:
    return [session.id for session in face.core.actions.sessions.page(face.core.row_id(name))]


def test_it_shows_who_one_is_and_what_the_roles_give(face: Face) -> None:
    name = face.person("orders:read")
    page = browser_of(face, name).get("/account").text
    assert name in page and "orders:read" in page and "orders:write" not in page
    assert "Nothing yet" in browser_of(face, face.person()).get("/account").text


@pytest.mark.asvs("6.3.3", "7.1.2", "7.5.2")
@pytest.mark.contract("sessions are rows: listed, ended one by one, by a new password, with the user")
def test_each_sign_in_is_listed_and_ends_alone(face: Face) -> None:
    name = face.person()
    here, there = browser_of(face, name), browser_of(face, name, agent=HOSTILE)
    page = here.get("/account").text
    assert "(this one)" in page and "<script>alert" not in page
    (theirs,) = [one for one in sessions_of(face, name) if f"/account/sessions/{one}/end" in page and one != own(here)]
    assert here.post(f"/account/sessions/{theirs}/end").status_code == 303
    assert there.get("/account").status_code == 303 and here.get("/account").status_code == 200


def test_a_sign_in_names_the_browser_and_its_system(face: Face) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36"
    page = browser_of(face, face.person(), agent=agent).get("/account").text
    assert "Chrome on Linux" in page and "AppleWebKit" not in page


def own(who: Visitor) -> str:
    """Return the session of this browser, as its page marks it."""
    before = who.get("/account").text.split("(this one)")[1]
    return before.split("/account/sessions/")[1].split("/end")[0]


@pytest.mark.asvs("8.2.2")
def test_nobody_ends_another_users_session(face: Face) -> None:
    victim, attacker = face.person(), browser_of(face, face.person())
    watched = browser_of(face, victim)
    attacker.get("/account")
    assert attacker.post(f"/account/sessions/{sessions_of(face, victim)[0]}/end").status_code == 404
    assert watched.get("/account").status_code == 200


@pytest.mark.asvs("7.5.2")
def test_all_other_sign_ins_can_be_ended_together(face: Face) -> None:
    name = face.person()
    others, here = [browser_of(face, name) for _ in range(3)], browser_of(face, name)
    here.get("/account")
    assert here.post("/account/sessions/end-others").status_code == 303
    assert here.get("/account").status_code == 200
    assert [other.get("/account").status_code for other in others] == [303, 303, 303]


@pytest.mark.asvs("6.2.2", "7.4.3")
@pytest.mark.contract("sessions are rows: listed, ended one by one, by a new password, with the user")
def test_a_changed_password_ends_the_other_sessions_and_tokens_go_on(face: Face) -> None:
    name = face.person("orders:read")
    _, token = face.core.pat(name, "orders:read")
    here, there = browser_of(face, name), browser_of(face, name)
    here.get("/account")
    done = here.post("/account/password", present=PASSWORD, password=BETTER, again=BETTER)
    assert done.status_code == 303 and "every other sign-in has ended" in here.get("/account").text
    assert there.get("/account").status_code == 303
    assert face.core.actions.verify(token) is not None
    browser_of(face, name, BETTER)
    assert Visitor(face.app.test_client()).sign_in(name, PASSWORD).status_code == 401


@pytest.mark.asvs("6.2.3", "7.5.1")
@pytest.mark.parametrize(
    ("present", "password", "again", "field", "said"),
    [
        ("wrong", BETTER, BETTER, "present", "is wrong"),
        (PASSWORD, BETTER, "another one entirely", "again", "is not the same"),
        (PASSWORD, "short", "short", "password", "12 to 200 characters"),
        (PASSWORD, "password1234", "password1234", "password", "too common"),
        ("", "", "", "present", "is wrong"),
    ],
)
def test_an_invalid_password_is_refused_at_its_field(
    face: Face, present: str, password: str, again: str, field: str, said: str
) -> None:
    name = face.person()
    who = browser_of(face, name)
    who.get("/account")
    answer = who.post("/account/password", present=present, password=password, again=again)
    assert answer.status_code == 422
    beside = answer.text.split(f'id="{field}-help">')[1].split("</small>")[0]
    assert said in beside
    assert BETTER not in answer.text and PASSWORD not in answer.text
    browser_of(face, name)


@pytest.mark.asvs("6.2.3")
@pytest.mark.contract("user enumeration and brute force")
def test_guesses_of_the_current_password_are_limited(tmp_path_factory: pytest.TempPathFactory) -> None:
    face = start_face(tmp_path_factory.mktemp("guessing"), rate_limits="on")
    who = browser_of(face, face.person())
    who.get("/account")
    answers = [
        who.post("/account/password", present=f"guess {number}", password=BETTER, again=BETTER).status_code
        for number in range(21)
    ]
    assert answers == [422] * 20 + [429]
    stop_face(face)


def test_an_unknown_path_is_answered_with_a_page(face: Face) -> None:
    who = browser_of(face, face.person("manage"))
    for path in ("/account/nothing", "/account/tokens/nothing", "/console/nothing/at/all"):
        answer = who.get(path)
        assert answer.status_code == 404 and answer.mimetype == "text/html" and "<h1>Not Found</h1>" in answer.text
    assert Visitor(face.app.test_client()).get("/console/nothing").status_code == 303


@pytest.mark.contract("each notice can be turned off but leaks")
def test_notices_are_turned_on_and_off_but_leaks_stay_on(face: Face) -> None:
    name = face.person()
    who = browser_of(face, name)
    page = who.get("/account").text
    assert page.count('name="notice"') == 8 and page.count(" checked") == 8 and "sends no mail" in page
    assert who.post("/account/notices", notice=["credential.unused"]).status_code == 303
    chosen = face.core.actions.notice_preferences.choices(face.core.row_id(name))
    assert {choice.type for choice in chosen if choice.sent} == {
        *("credential.unused", "credential.leaked", "second_factor.changed", "recovery_code.used"),
        "linked_account.changed",
    }
    assert who.get("/account").text.count(" checked") == 5
