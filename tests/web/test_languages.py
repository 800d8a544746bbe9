"""The language of a page: from the chooser, the browser or the setting; English in the console and for programs."""

import re
from collections.abc import Iterator, Sequence

import pytest
from werkzeug.test import TestResponse

from app.settings.languages import LANGUAGES
from app.web import languages
from app.web.languages import NAMES, negotiate
from tests.browser import Browser
from tests.live import LiveServer
from tests.management.face import Face, start_face, stop_face
from tests.web.visitor import Visitor, browser_of

TITLES = {"en": "Sign in", "zh-Hant": "登入", "sv": "Logga in", "ru": "Вход", "nl": "Aanmelden"}
CHOOSE = "/language"
CHANGING = re.compile(r'nonce="[^"]*"|name="csrf_token" value="[^"]*"')  # with each answer


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("languages"))
    yield made
    stop_face(made)


def stranger(face: Face, accept: str = "") -> Visitor:
    who = Visitor(face.app.test_client())
    if accept:
        who.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = accept
    return who


def choose(who: Visitor, language: str, page: str = "/login", **headers: str) -> TestResponse:
    return who.http.post(CHOOSE, data={"language": language, "next": page}, headers=headers)


def make_token(who: Visitor, **fields: str | list[str]) -> TestResponse:
    who.get("/account/tokens/new")
    return who.post("/account/tokens", **{"name": "one", "scopes": "orders:read", "lifetime": "30", **fields})


def language_of(page: TestResponse) -> str:
    [language] = [name for name in LANGUAGES if f'<html lang="{name}">' in page.text]
    return language


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_in_the_language_of_the_browser(face: Face, language: str) -> None:
    page = stranger(face, f"fr, {language};q=0.8, en;q=0.5").get("/login")
    assert language_of(page) == language
    assert f"<h1>{TITLES[language]}</h1>" in page.text
    assert {"Accept-Language", "Cookie"} <= set(page.vary)


@pytest.mark.parametrize(
    ("accept", "language"),
    [
        ("", "en"),
        ("zh", "zh-Hant"),
        ("zh-TW,zh;q=0.9,en;q=0.8", "zh-Hant"),
        ("zh-HK", "zh-Hant"),
        ("ZH-HANT-TW", "zh-Hant"),
        ("sv-FI,en;q=0.5", "sv"),
        ("en-GB,sv;q=0.9", "en"),
        ("en;q=0.1,ru;q=0.2", "ru"),
        ("nl;q=0", "en"),
        ("*", "en"),
        ("svenska", "en"),
        (";q=x,,\N{SNOWMAN}", "en"),
    ],
)
def test_the_best_language_wins(accept: str, language: str) -> None:
    assert negotiate(accept, LANGUAGES) == language


def test_the_setting_has_the_default_first_and_offers_no_other(tmp_path_factory: pytest.TempPathFactory) -> None:
    other = start_face(tmp_path_factory.mktemp("two"), languages=("sv", "nl"))
    try:
        page = stranger(other, "ru").get("/login")
        assert language_of(page) == "sv" and NAMES["nl"] in page.text and NAMES["ru"] not in page.text
        who = stranger(other)
        choose(who, "ru")
        assert language_of(who.get("/login")) == "sv"
    finally:
        stop_face(other)


def test_one_language_leaves_nothing_to_choose(tmp_path_factory: pytest.TempPathFactory) -> None:
    other = start_face(tmp_path_factory.mktemp("one"), languages="en")
    try:
        assert CHOOSE not in stranger(other, "ru").get("/login").text
    finally:
        stop_face(other)


def test_the_choice_wins_over_the_browser_and_returns_to_the_page(face: Face) -> None:
    who = browser_of(face, face.person())
    who.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = "ru"
    for page in ("/account", "/account/tokens?status=active&q=a+b", "/account/tokens/new?name=x&scopes=a:read,b:read"):
        assert language_of(who.get(page)) in ("ru", "sv")
        [sent] = [line for line in who.get(page).text.splitlines() if 'name="next"' in line and "hidden" in line]
        assert page.replace("&", "&amp;") in sent
        answer = choose(who, "sv", page)
        assert (answer.status_code, answer.location) == (303, page)
        assert language_of(who.get(page)) == "sv"


def test_the_cookie_is_not_for_scripts_nor_for_other_sites(face: Face) -> None:
    kept = choose(stranger(face), "sv").headers["Set-Cookie"]
    assert kept.startswith("latchkey-language=sv; ")
    assert all(flag in kept for flag in ("Secure", "HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=31536000"))


@pytest.mark.parametrize("language", ["de", "", "SV", "en\r\nX: y", "x" * 10_000])
def test_only_a_language_of_the_setting_is_kept(face: Face, language: str) -> None:
    answer = choose(stranger(face), language)
    assert answer.status_code == 303 and "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_site_chooses_nothing(face: Face, site: str) -> None:
    assert "Set-Cookie" not in choose(stranger(face), "sv", **{"Sec-Fetch-Site": site}).headers


@pytest.mark.parametrize(
    "page",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "/account@evil.example"),
        *("evil", "", "/x" * 9999),
        *("/account/../other", "/account/..//other", "/account/%2E%2e/other", "/compare/.%2e", "/account/\r\nX: y"),
    ],
)
def test_the_choice_leads_to_no_other_site(face: Face, page: str) -> None:
    assert choose(stranger(face), "sv", page).location == "/"


def test_after_a_form_the_choice_leads_to_a_page_that_exists(face: Face) -> None:
    who = browser_of(face, face.person())
    for path in ("/account/password", "/account/tokens"):
        who.get("/account")
        refused = who.post(path)
        [onward] = [part for part in ("/account/tokens", "/account") if f'name="next" value="{part}"' in refused.text]
        assert refused.status_code == 422 and who.get(onward).status_code == 200


def test_a_page_that_shows_a_secret_once_offers_no_language(face: Face) -> None:
    who = browser_of(face, face.person("orders:read"))
    made = make_token(who)
    shown = who.get(made.location)
    assert "lk_pat_" in shown.text and CHOOSE not in shown.text
    assert CHOOSE in who.get(made.location).text


def test_the_console_and_the_interfaces_for_programs_stay_english(face: Face) -> None:
    who = browser_of(face, face.person("manage"))
    english = {path: who.get(path).text for path in ("/console", "/console/users", "/console/roles/x")}
    choose(who, "ru")
    for path, text in english.items():
        page = who.get(path)
        assert language_of(page) == "en" and CHOOSE not in page.text
        assert CHANGING.sub("", page.text) == CHANGING.sub("", text)
    assert who.http.get("/api/v1/nothing").json == face.http.get("/api/v1/nothing").json
    refused = who.http.post("/oauth/token", data={"grant_type": "x"})
    assert refused.json == face.http.post("/oauth/token", data={"grant_type": "x"}).json


def test_no_page_stays_in_the_language_of_its_first_visitor(tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = start_face(tmp_path_factory.mktemp("first"), rate_limits="off")
    try:
        addresses = {rule.rule for rule in fresh.app.url_map.iter_rules() if "GET" in (rule.methods or ())}
        opened = sorted(address for address in addresses if "<" not in address)
        assert {"/login", "/compare", "/api/docs"} <= set(opened)
        for address in opened:
            for language in ("ru", "en"):
                page = stranger(fresh, language).get(address)
            assert '<html lang="' not in page.text or language_of(page) == "en", address
    finally:
        stop_face(fresh)


@pytest.mark.parametrize(("language", "words"), [("sv", "behövs"), ("zh-Hant", "為必填"), ("ru", "нужно")])
def test_a_refusal_is_in_the_language_of_its_page(face: Face, language: str, words: str) -> None:
    who = browser_of(face, face.person("orders:read"))
    choose(who, language)
    assert words.lower() in make_token(who, name="").text.lower()


def test_a_refusal_with_values_keeps_and_escapes_them(face: Face) -> None:
    who = browser_of(face, face.person("orders:read"))
    choose(who, "sv")
    page = make_token(who, scopes="<b>%(x)s")
    assert page.status_code == 422 and "&lt;b&gt;%(x)s" in page.text and "<b>%(" not in page.text


def test_instants_are_named_as_the_language_names_them(face: Face) -> None:
    who = browser_of(face, face.person("orders:read"))
    make_token(who)
    for language, words in (
        ("en", "in 30 days"),
        ("sv", "om 30 dagar"),
        ("ru", "через 30 дней"),
        ("zh-Hant", "30 天後"),
    ):
        choose(who, language)
        assert words in who.get("/account/tokens").text.replace("\xa0", " ")


@pytest.mark.parametrize("header", ["Accept-Language", "Cookie"])
def test_a_very_long_header_is_read_no_further(face: Face, header: str) -> None:
    value = "sv-" + "x" * 7000 if header == "Accept-Language" else "latchkey-language=" + "x" * 7000
    page = stranger(face).http.get("/login", headers={header: value})
    assert page.status_code == 200 and "xxx" not in page.text
    many = stranger(face).http.get(
        "/login", headers={"Accept-Language": ",".join(f"a{n}" for n in range(2000)) + ",sv"}
    )
    assert language_of(many) == "en"


def test_a_page_that_does_not_exist_says_so_in_the_browsers_language(face: Face) -> None:
    page = face.http.get("/nothing", headers={"Accept": "text/html", "Accept-Language": "nl"})
    assert (page.status_code, language_of(page)) == (404, "nl")


def test_a_page_that_fails_says_so_in_the_browsers_language(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    monkeypatch.setitem(face.app.view_functions, "compare.compare", fail)
    page = face.http.get("/compare", headers={"Accept": "text/html", "Accept-Language": "nl"})
    assert (page.status_code, language_of(page)) == (500, "nl")


def test_no_interface_for_programs_selects_a_language(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    selected: list[Sequence[str]] = []

    def select(offered: Sequence[str]) -> str:
        selected.append(offered)
        return "en"

    monkeypatch.setattr(languages, "select_language", select)
    for method, path in (("POST", "/oauth/token"), ("POST", "/oauth/introspect"), ("GET", "/oauth/forward-auth")):
        assert face.http.open(path, method=method, headers={"Accept-Language": "sv"}).status_code >= 400
    assert face.call("GET", "/users").status_code == 401
    assert selected == []
    face.http.get("/login")
    assert selected != []


def test_the_chooser_works_without_scripts(server: LiveServer, browser: Browser) -> None:
    with browser.page(width=390, javascript=False) as watched:
        watched.open(f"{server.url}/login?next=/account")
        for language, title in TITLES.items():
            watched.page.get_by_role("button", name=NAMES[language], exact=True).click()
            watched.page.get_by_role("heading", name=title, exact=True).wait_for()
            assert watched.page.url == f"{server.url}/login?next=/account"
            assert watched.page.locator("html").get_attribute("lang") == language
            assert not watched.scrolls_sideways() and not watched.errors


def test_each_language_has_a_name() -> None:
    assert tuple(NAMES) == LANGUAGES
