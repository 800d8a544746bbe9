"""Each text of the account pages, of their refusals and of the error pages goes through a catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.pseudo_locale import find_untranslated, use_pseudo_locale
from tests.web.visitor import Visitor, browser_of

DAYS = tuple(f"{days} dygn" for days in ("5", "7", "30", "90", "365", "36\xa0600"))  # as Babel has them
TOOLS = ("curl", "git", "Python", "Node", "GitHub Actions", "GitLab CI", "LATCHKEY_TOKEN")
SAME = (
    "one",
    "orders:read",
    "Orders",
    "https://api.example/orders",
    "application/x-www-form-urlencoded",
    *TOOLS,
    *DAYS,
)
PAGES = (
    *("/account", "/account/nothing", "/account/tokens", "/account/tokens?q=zz", "/account/tokens?status=revoked"),
    *(
        "/account/tokens?status=expired&q=a",
        "/account/tokens?after=pat_z",
        "/account/tokens/pat_x",
        "/account/tokens/new",
    ),
    *("/account/tokens/new?scopes=7,8&expires_in=5d", "/account/tokens/new?scopes=7&expires_in=99999d"),
)
REFUSED: tuple[dict[str, str], ...] = (
    *({"name": ""}, {"name": " "}, {"name": "1" * 300}, {"name": "1\u200b"}, {"name": "\u0301"}, {"name": "one"}),
    *({"scopes": ""}, {"lifetime": "1"}, {"lifetime": "day", "expires_on": "1"}, {"description": "1" * 2000}),
)
PASSWORDS = (("1", "1", "1"), (PASSWORD, "1", "1"), (PASSWORD, "1", "2"), (PASSWORD, 2 * "password", 2 * "password"))


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("texts"))
    yield made
    stop_face(made)


@pytest.fixture
def name(face: Face, monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a user, and put each text of a catalog in brackets."""
    use_pseudo_locale(monkeypatch)
    return face.person("orders:read")


@pytest.fixture
def who(face: Face, name: str) -> Visitor:
    """Sign the user in with a browser that prefers Swedish."""
    signed_in = browser_of(face, name)
    signed_in.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = "sv"
    return signed_in


def untranslated(page: TestResponse, *same: str) -> list[str]:
    assert '<html lang="sv">' in page.text
    return find_untranslated(page.text, (*SAME, *same))


def make_token(who: Visitor, **fields: str) -> TestResponse:
    who.get("/account/tokens/new")
    return who.post("/account/tokens", **{"name": "one", "scopes": "orders:read", "lifetime": "30", **fields})


@pytest.mark.parametrize("path", PAGES)
def test_of_a_page(who: Visitor, name: str, path: str) -> None:
    assert untranslated(who.get(path), name) == []


def test_of_the_pages_of_a_token(who: Visitor, name: str) -> None:
    secret = make_token(who).location
    token = secret.removesuffix("/secret")
    paths = (secret, secret, token, f"{token}/regenerate", f"{token}/revoke", f"{token}/delete", "/account/tokens")
    assert [untranslated(who.get(path), name) for path in paths] == [[]] * len(paths)
    who.post(f"{token}/revoke")
    after = ("/account/tokens", token, f"{token}/delete", secret)  # the first says what was done
    assert [untranslated(who.get(path), name) for path in after] == [[]] * len(after)
    assert untranslated(who.post(f"{token}/regenerate"), name) == []
    assert untranslated(who.post(f"{token}/delete"), name) == []


@pytest.mark.parametrize("fields", REFUSED, ids=str)
def test_of_a_refused_token(who: Visitor, name: str, fields: dict[str, str]) -> None:
    make_token(who)
    page = make_token(who, **fields)
    assert page.status_code in (409, 422) and untranslated(page, name, "200B") == []


@pytest.mark.parametrize(("present", "password", "again"), PASSWORDS)
def test_of_a_refused_password(who: Visitor, name: str, present: str, password: str, again: str) -> None:
    who.get("/account")
    page = who.post("/account/password", present=present, password=password, again=again)
    assert page.status_code == 422 and untranslated(page, name) == []


def test_of_several_sign_ins(face: Face, who: Visitor, name: str) -> None:
    browser_of(face, name)
    assert untranslated(who.get("/account"), name, "Firefox") == []
    face.core.clock.advance(hours=1)
    assert untranslated(who.get("/account"), name, "Firefox") == []
    assert untranslated(who.post("/account/sessions/end-others"), name) == []
    who.post("/account/confirm", confirmed=PASSWORD)
    assert untranslated(who.get("/account"), name, "Firefox") == []


def test_of_the_sign_in_and_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_pseudo_locale(monkeypatch)
    other = start_face(tmp_path)
    try:
        who = Visitor(other.app.test_client())
        who.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = "sv"
        assert untranslated(who.get("/login")) == []
        pages = [who.post("/login", username="1", password="1") for _ in range(25)]
        assert pages[0].status_code == 401 and pages[-1].status_code == 429
        assert untranslated(pages[0]) == untranslated(pages[-1]) == []
    finally:
        stop_face(other)


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("PUT", "/login", {}, 405),
        ("POST", "/logout", {}, 400),
        ("POST", "/account/password", {"data": "1", "content_type": "text/plain"}, 415),
        ("POST", "/account/password", {"data": {"x": "1" * 900_000}}, 413),
    ],
)
def test_of_an_error(who: Visitor, name: str, method: str, path: str, options: dict[str, object], status: int) -> None:
    page = who.http.open(path, method=method, headers={"Accept": "text/html"}, **options)  # type: ignore[arg-type]
    assert page.status_code == status and untranslated(page, name) == []
