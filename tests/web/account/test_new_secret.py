"""A new secret goes from the form to its page once, and nobody else can read it on the way."""

import re
from collections.abc import Iterator

import pytest

from app.crypto.handover import LIFETIME
from tests.actions.directory.test_changes_and_traces import everything
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.account.test_tokens import SECRET
from tests.web.visitor import Visitor, browser_of

COOKIE = "__Secure-latchkey-new"


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("handover"), rate_limits="off")
    yield made
    stop_face(made)


@pytest.fixture
def name(face: Face) -> str:
    return face.person("orders:read")


def create_token(who: Visitor, name: str = "laptop") -> tuple[str, str]:
    """Send the form; return the path of the page that shows the secret, and the cookie."""
    who.get("/account/tokens/new")
    answer = who.post("/account/tokens", name=name, scopes=["orders:read"])
    assert answer.status_code == 303
    return answer.location, answer.headers["Set-Cookie"]


def present(who: Visitor, path: str, cookie: str) -> str:
    """Open a page with this cookie; return its text."""
    who.http.set_cookie(COOKIE, cookie.partition("=")[2].partition(";")[0], domain="localhost", path=path)
    return who.get(path).text


@pytest.mark.contract("a secret is shown once: not by a reload, nor by going back")
def test_a_reload_after_creation_sends_no_form_and_shows_no_secret(face: Face, name: str) -> None:
    who = browser_of(face, name)
    path, _ = create_token(who)
    assert SECRET.search(who.get(path).text)
    again = who.get(path)
    assert again.status_code == 200 and not SECRET.search(again.text) and "was shown once" in again.text
    assert len(face.core.actions.personal_access_tokens.page(face.core.row_id(name), 10)[0]) == 1


def test_its_cookie_is_for_one_page_for_a_minute_and_unreadable(face: Face, name: str) -> None:
    path, cookie = create_token(browser_of(face, name))
    assert cookie.startswith(f"{COOKIE}=") and not SECRET.search(cookie) and not SECRET.search(path)
    for attribute in ("Secure", "HttpOnly", "SameSite=Strict", f"Max-Age={LIFETIME}", f"Path={path}"):
        assert attribute in cookie.split("; ")
    assert "Domain" not in cookie


def test_the_page_that_shows_it_deletes_the_cookie(face: Face, name: str) -> None:
    who = browser_of(face, name)
    path, _ = create_token(who)
    deleted = who.get(path).headers["Set-Cookie"]
    assert deleted.startswith(f"{COOKIE}=;") and "Max-Age=0" in deleted and f"Path={path}" in deleted


def test_neither_another_session_nor_another_token_reads_it(face: Face, name: str) -> None:
    who = browser_of(face, name)
    first, cookie = create_token(who)
    second, _ = create_token(who, "another")
    assert not SECRET.search(present(browser_of(face, name), first, cookie))
    who.get(second)
    assert not SECRET.search(present(who, second, cookie))
    assert SECRET.search(present(who, first, cookie))


def test_it_ends_after_a_minute_and_with_its_session(face: Face, name: str) -> None:
    who = browser_of(face, name)
    path, cookie = create_token(who)
    face.core.clock.advance(seconds=LIFETIME + 1)
    assert not SECRET.search(present(who, path, cookie))
    path, cookie = create_token(who, "another")
    who.post("/logout")
    who.sign_in(name, PASSWORD)
    assert not SECRET.search(present(who, path, cookie))


@pytest.mark.parametrize("value", ["x", "gAAAAA", "é", "=" * 3000])
def test_a_forged_cookie_shows_nothing(face: Face, name: str, value: str) -> None:
    who = browser_of(face, name)
    path, _ = create_token(who)
    shown = present(who, path, f"{COOKIE}={value}")
    assert "was shown once" in shown and not SECRET.search(shown)


def test_the_database_has_neither_the_secret_nor_the_cookie(face: Face, name: str) -> None:
    who = browser_of(face, name)
    path, cookie = create_token(who)
    found = SECRET.search(who.get(path).text)
    kept = repr(everything(face.core))
    assert found is not None and found[0] not in kept and re.split("[=;]", cookie)[1] not in kept
