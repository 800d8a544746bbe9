"""Each text of the account pages, of their refusals and of the error pages goes through a catalog."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from werkzeug.test import TestResponse

from app.actions.audit.actor import OPERATOR, Actor
from tests.app_grants import connect_app, register_app
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
    "BCDF-GHJK",  # a code that a device shows
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
    *("/account/second-factor", "/account/second-factor/recovery-codes", "/account/second-factor/app/remove"),
    *("/account/apps", "/account/apps?after=cli_z", "/account/apps/cli_x", "/device", "/device?user_code=BCDF-GHJK"),
    *("/device/allowed", "/device/refused", "/oauth/authorize"),
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


def test_of_an_app_and_its_end(face: Face, who: Visitor, name: str) -> None:
    app = register_app(face.core, "camera", client_uri="https://c.example", policy_uri="https://c.example")
    grant = connect_app(face.core, app, face.core.row_id(name)).grant_id
    own = f"/account/apps/{app.row_id}"
    same = (name, "camera", "c.example", "client_id")
    assert [untranslated(who.get(path), *same) for path in ("/account/apps", own, f"{own}/end")] == [[], [], []]
    face.core.actions.apps.end_grant(OPERATOR, grant)
    assert untranslated(who.get(own), *same) == []
    assert who.post(f"{own}/end").status_code == 303
    assert untranslated(who.get("/account/apps"), *same) == untranslated(who.get(own), *same) == []


@pytest.mark.parametrize("registered_by", ["operator", "itself", "document"])
@pytest.mark.parametrize("uri", ["https://c.example/cb", "http://127.0.0.1:99/cb", "com.example.c:/cb"])
def test_of_the_question_of_consent(face: Face, who: Visitor, name: str, registered_by: str, uri: str) -> None:
    client_id = f"app-{registered_by}-{uri}"
    links = dict.fromkeys(("client_uri", "policy_uri"), "https://c.example") | {"logo_uri": "https://cdn.example"}
    app = register_app(face.core, client_id, redirect_uris=[uri], registered_by=registered_by, **links)
    same = (name, client_id, "cdn.example", "com.example.c:", "c.example", "127.0.0.1:99")
    asked = {"response_type": "code", "client_id": client_id, "code_challenge": "a" * 43}
    page = who.http.get("/oauth/authorize", query_string=asked | {"code_challenge_method": "S256"})
    assert page.status_code == 200 and untranslated(page, *same) == []
    who.get("/device")
    code = face.core.actions.devices.begin(Actor("client", client_id), app, None, ()).user_code
    assert untranslated(who.post("/device", user_code=code), *same, code) == []
    assert untranslated(who.post("/device/answer", user_code=code, decision="allow"), *same, code) == []
    assert untranslated(who.post("/device", user_code="x"), name) == []


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
