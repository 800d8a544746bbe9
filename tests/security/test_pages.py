"""Rules for every page and form: ASVS 5.0.0 chapters V3 and V6."""

import re

import pytest
from itsdangerous import URLSafeSerializer

from app.actions.audit.actor import OPERATOR
from app.actions.directory.one_time_links import NewLink
from app.web import assets
from tests.management.face import PASSWORD, Face
from tests.web.visitor import Visitor, browser_of

INPUT = re.compile(r"<input[^>]*>")
SCRIPT = (assets.STATIC / "latchkey.js").read_text(encoding="utf-8")
TEMPLATES = sorted((assets.STATIC.parent / "templates").rglob("*.html"))


@pytest.fixture(scope="module")
def operator(face: Face) -> Visitor:
    return browser_of(face, face.person("manage"))


def fixed_paths(face: Face) -> list[str]:
    """Return the pages without a variable part."""
    rules = [rule for rule in face.app.url_map.iter_rules() if "GET" in (rule.methods or ()) and not rule.arguments]
    return [rule.rule for rule in rules if rule.rule.startswith(("/account", "/console"))]


def html_pages(face: Face, who: Visitor) -> dict[str, str]:
    """Return the pages that are HTML, with /login for a stranger."""
    found = {path: who.get(path) for path in fixed_paths(face)}
    found["/login"] = Visitor(face.app.test_client()).get("/login")
    return {path: page.text for path, page in found.items() if page.status_code == 200 and page.mimetype == "text/html"}


@pytest.mark.asvs("7.4.4")
def test_every_page_offers_to_sign_out(face: Face, operator: Visitor) -> None:
    found = html_pages(face, operator)
    assert len(found) > 10
    without = [path for path, page in found.items() if 'action="/logout"' not in page]
    assert without == ["/console/holders/scopes", "/login"]  # the former is a piece, which a script puts into a page


def page_of_link(face: Face, user: str) -> str:
    """Return the page on which a user sets a password by a link."""
    made, who = (
        face.core.actions.one_time_links.create(OPERATOR, user, NewLink("reset")),
        Visitor(face.app.test_client()),
    )
    assert made.url is not None
    who.get("/login/link")
    return who.post("/login/link", code=made.url.partition("#")[2]).text


@pytest.mark.asvs("6.2.6", "6.2.7")
def test_each_password_field_hides_it_and_lets_programs_fill_it_in(face: Face, operator: Visitor) -> None:
    user = face.core.row_id(face.person())
    everything = {**html_pages(face, operator), "link": page_of_link(face, user)}
    fields = [field for page in everything.values() for field in INPUT.findall(page) if "password" in field]
    assert len(fields) >= 6
    for field in fields:
        if 'autocomplete="username"' not in field:
            assert 'type="password"' in field and re.search(r'autocomplete="(current|new)-password"', field), field
    for text in (SCRIPT, *(template.read_text(encoding="utf-8") for template in TEMPLATES)):
        assert not re.search(r"onpaste|oncopy|[\"']paste|maxlength", text)


@pytest.mark.asvs("3.2.2", "3.5.5", "14.3.3")
def test_our_script_writes_text_and_keeps_nothing() -> None:
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", SCRIPT)
    assert not re.search(r"localStorage|sessionStorage|indexedDB|document\.cookie|caches\b", SCRIPT)
    assert not re.search(
        r"addEventListener\(\"message\"", SCRIPT.replace("tabs.addEventListener", "")
    )  # other windows'
    for template in TEMPLATES:
        text = template.read_text(encoding="utf-8")
        assert "|safe" not in text.replace(" ", "") and "autoescape" not in text, template.name
    config = (assets.STATIC.parent / "templates" / "page.html").read_text(encoding="utf-8")
    assert '"historyCacheSize":0' in config and '"allowEval":false' in config and '"selfRequestsOnly":true' in config


@pytest.mark.asvs("3.3.4", "10.1.1")
def test_no_page_shows_what_the_cookie_holds(face: Face, operator: Visitor) -> None:
    held = read(operator)
    assert {"secret"} <= set(held)
    for path, page in html_pages(face, operator).items():
        assert held["secret"] not in page, path


@pytest.mark.asvs("14.3.3")
def test_the_cookie_holds_no_more_than_it_must(operator: Visitor) -> None:
    operator.get("/account")
    assert set(read(operator)) <= {"secret", "csrf_token", "_permanent", "_flashes"}
    cookie = operator.http.get_cookie("__Host-latchkey")
    assert cookie is not None and len(cookie.value) < 1000


def read(who: Visitor) -> dict[str, str]:
    """Read what a signed cookie says to anybody who holds it."""
    cookie = who.http.get_cookie("__Host-latchkey")
    assert cookie is not None
    payload, _time, _signature = str(cookie.value).rsplit(".", 2)  # a long payload is compressed, and begins with "."
    held: dict[str, str] = URLSafeSerializer("nobody's key").load_payload(payload.encode())
    return held


@pytest.mark.asvs("3.5.3")
def test_no_get_changes_anything(face: Face, operator: Visitor) -> None:
    before = len(face.core.trace())
    for rule in face.app.url_map.iter_rules():
        assert operator.http.get(re.sub(r"<[^>]+>", "x", rule.rule)).status_code != 500
    assert len(face.core.trace()) == before


@pytest.mark.asvs("RFC 9700 §4.11–4.12")
def test_no_redirect_repeats_a_post(face: Face) -> None:
    name, who = face.person(), Visitor(face.app.test_client())
    answers = [who.sign_in(name, PASSWORD), who.get("/account"), who.post("/account/sessions/end-others")]
    answers += [who.get("/account"), who.post("/logout"), who.get("/account"), who.post("/account/password")]
    statuses = {answer.status_code for answer in answers}
    assert 303 in statuses and not statuses & {301, 302, 307, 308}  # RFC 9700 §4.12


@pytest.mark.asvs("3.5.2")
@pytest.mark.parametrize(
    ("site", "status"), [("cross-site", 403), ("same-site", 403), ("same-origin", 422), (None, 422)]
)
def test_another_sites_request_changes_nothing_by_a_remembered_password(
    face: Face, site: str | None, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site} if site else {}
    name = face.person()
    sent = face.me(name, path="/personal-access-tokens", method="POST", json={}, headers=headers)
    assert sent.status_code == status, sent.text
    assert face.me(name, headers=headers).status_code == 200  # nothing that reading could change
