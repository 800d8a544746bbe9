"""The pages of a link that sets a password: what they show, and what strangers and scanners can do with them."""

import threading
from collections.abc import Iterator

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.one_time_links import NewLink
from app.models import User
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor

ANOTHER = "seventeen yellow umbrellas"


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("links"), rate_limits="off", smtp_url="smtp://127.0.0.1:9")
    yield made
    stop_face(made)


def visitor(face: Face) -> Visitor:
    return Visitor(face.app.test_client())


def link_for(face: Face, name: str) -> str:
    made = face.core.actions.one_time_links.create(OPERATOR, face.core.row_id(name), NewLink("invitation"))
    assert made.url is not None
    return made.url.partition("#")[2]


@pytest.mark.contract("invitation and reset links work once, for an hour")
@pytest.mark.asvs("6.4.1", "6.4.3")
def test_an_invited_user_sets_a_password_and_is_signed_in(face: Face) -> None:
    name = face.person("orders:read")
    code, who = link_for(face, name), visitor(face)
    who.get("/login/link")
    form = who.post("/login/link", code=code)
    assert form.status_code == 200 and name in form.text
    onward = who.post("/login/link/password", code=code, password=ANOTHER, again=ANOTHER)
    assert onward.status_code == 303 and who.get(onward.location).status_code == 200
    assert visitor(face).sign_in(name, ANOTHER).status_code == 303
    assert visitor(face).sign_in(name, PASSWORD).status_code == 401
    used = who.post("/login/link", code=code)
    assert used.status_code == 422 and "unknown, used or expired" in used.text


@pytest.mark.contract("opening a link changes nothing")
def test_a_mail_scanner_that_opens_the_link_and_sends_its_form_does_not_spend_it(face: Face) -> None:
    code = link_for(face, face.person())
    for _ in range(3):
        scanner = visitor(face)
        assert scanner.http.head(f"/login/link?code={code}").status_code == 200
        assert scanner.get(f"/login/link?code={code}").text.count(code) <= 1  # in the address alone, if at all
        scanner.get("/login/link")
        assert scanner.post("/login/link", code=code).status_code == 200
    assert face.core.actions.one_time_links.open(code, None)


@pytest.mark.parametrize(
    ("password", "again", "said"), [("short", "short", "must have 12"), (ANOTHER, PASSWORD, "is not the same")]
)
def test_a_refused_password_is_shown_at_its_field_and_never_sent_back(
    face: Face, password: str, again: str, said: str
) -> None:
    who, code = visitor(face), link_for(face, face.person())
    who.get("/login/link")
    who.post("/login/link", code=code)
    refused = who.post("/login/link/password", code=code, password=password, again=again)
    assert refused.status_code == 422 and said in refused.text and password not in refused.text.replace(code, "")
    assert who.post("/login/link/password", code=code, password=ANOTHER, again=ANOTHER).status_code == 303


@pytest.mark.contract("an answer never says whether an address has an account")
def test_known_and_unknown_names_get_one_answer(face: Face) -> None:
    name = face.person()
    with face.core.store.transaction() as session:
        session.get_one(User, face.core.row_id(name)).email = f"{name}@shop.example"
    answers = []
    for asked in (name, f"{name}@shop.example", "nobody", "nobody@shop.example", "a b\N{SNOWMAN}"):
        who = visitor(face)
        who.get("/login/forgot")
        sent = who.post("/login/forgot", username=asked)
        answers.append((sent.status_code, sent.location, who.get("/login/forgot").text.count("on its way")))
    assert set(answers) == {(303, "/login/forgot", 1)}


@pytest.mark.contract("an answer never says whether an address has an account")
def test_the_time_of_the_answer_does_not_say_either(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, done = threading.Event(), threading.Event()

    def take_long(*_: object) -> None:
        begun.set()
        done.wait(30)

    monkeypatch.setattr(face.core.actions.one_time_links, "request_reset", take_long)
    who = visitor(face)
    who.get("/login/forgot")
    assert who.post("/login/forgot", username="ann").status_code == 303 and not done.is_set()
    assert begun.wait(30)  # by another thread than the one that answered
    done.set()
    face.core.actions.reset_requests.wait()


@pytest.mark.parametrize("path", ["/login/forgot", "/login/link", "/login/link/password"])
def test_a_form_of_another_site_is_refused(face: Face, path: str) -> None:
    refused = face.app.test_client().post(path, data={"username": "ann", "code": "x"})
    assert refused.status_code == 400


@pytest.mark.parametrize("code", ["", "x", "x" * 5_000, "\0", "lk_pat_" + "x" * 38])
def test_any_other_code_is_refused_and_not_repeated(face: Face, code: str) -> None:
    who = visitor(face)
    who.get("/login/link")
    refused = who.post("/login/link", code=code)
    assert refused.status_code == 422 and (len(code) < 2 or code not in refused.text)


@pytest.mark.contract("session fixation")
def test_the_sign_in_by_a_link_has_a_session_of_its_own(face: Face) -> None:
    name, who = face.person(), visitor(face)
    who.sign_in(name, PASSWORD)
    before = who.http.get_cookie("__Host-latchkey")
    code = link_for(face, name)
    who.get("/login/link")
    who.post("/login/link", code=code)
    who.post("/login/link/password", code=code, password=ANOTHER, again=ANOTHER)
    after = who.http.get_cookie("__Host-latchkey")
    assert before and after and before.value != after.value
    thief = visitor(face)
    thief.http.set_cookie("__Host-latchkey", before.value)
    assert thief.get("/account").status_code == 303


def test_without_mail_nobody_is_offered_a_link(tmp_path_factory: pytest.TempPathFactory) -> None:
    face = start_face(tmp_path_factory.mktemp("no-mail"))
    who = visitor(face)
    assert "/login/forgot" not in who.get("/login").text and who.get("/login/forgot").status_code == 404
    assert who.post("/login/forgot", username="ann").status_code == 404
    stop_face(face)
