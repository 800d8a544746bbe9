"""The question of consent: who the app is, what it asks for, where the browser goes, and as whom."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from app.actions.sign_in.clients import KnownClient
from app.models.client import BY_DOCUMENT, BY_ITSELF
from tests.app_grants import REDIRECT_URI, connect_app, register_app
from tests.management.face import PASSWORD, Face
from tests.web.visitor import Visitor

PATH = "/oauth/authorize"
BOX = re.compile(r'name="scopes" value="([^"]+)"( checked)?')
REQUEST = {
    "response_type": "code",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
    "scope": "orders:read orders:write",
}


def ask(who: Visitor, app: str = "Backup", **changed: str) -> Any:
    """Open the request of an app."""
    return who.http.get(PATH, query_string=REQUEST | {"client_id": app} | changed)


def text_of(page: Any) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page.text.partition("<main")[2])).split())


def test_the_page_names_the_app_its_scopes_and_where_the_browser_goes(
    face: Face, who: Visitor, name: str, app: KnownClient
) -> None:
    register_app(face.core, "Ledger", client_uri="https://ledger.example/about", policy_uri="https://ledger.example/p")
    page = ask(who, "Ledger")
    shown = text_of(page)
    assert page.status_code == 200 and "Allow Ledger to act for you?" in shown
    assert f"signed in as {name} ." in shown and "An operator of this server registered this app." in shown
    assert "ledger.example" in shown and "Next, your browser goes to app.example" in shown
    assert BOX.findall(page.text) == [("orders:read", " checked"), ("orders:write", " checked")]
    assert 'rel="noreferrer noopener nofollow"' in page.text and "/account/apps" in page.text


def test_both_answers_look_alike(who: Visitor, app: KnownClient) -> None:
    buttons = re.findall(r'<button type="submit" name="decision" value="(\w+)" class="([^"]*)">', ask(who).text)
    assert buttons == [("allow", "btn"), ("deny", "btn")]


def test_what_was_allowed_before_is_marked(face: Face, who: Visitor, name: str) -> None:
    app = register_app(face.core, "Marked")
    connect_app(face.core, app, face.core.row_id(name), "orders:read")
    read, write = text_of(ask(who, "Marked")).split("orders:read")[1].split("orders:write")
    assert "allowed before" in read and "allowed before" not in write


@pytest.mark.parametrize(
    ("registered_by", "warning"),
    [(BY_ITSELF, "it registered itself, under a name of its own choice"), (BY_DOCUMENT, "come from https://x.example")],
)
def test_an_app_that_nobody_checked_has_a_warning(face: Face, who: Visitor, registered_by: str, warning: str) -> None:
    client_id = "https://x.example" if registered_by == BY_DOCUMENT else "unchecked"
    register_app(face.core, client_id, registered_by=registered_by, client_uri="javascript:alert(1)")
    shown = ask(who, client_id)
    assert warning in text_of(shown) and "Allow it only if you have just started this" in text_of(shown)
    assert "operator of this server" not in text_of(shown) and 'href="javascript' not in shown.text


def test_the_name_of_an_app_is_text_whose_direction_ends_with_it(face: Face, who: Visitor) -> None:
    evil = '<b onclick="x">\N{HEBREW LETTER ALEF}</b>'
    register_app(face.core, evil)
    page = ask(who, evil).text
    assert "<b onclick" not in page
    assert '<bdi class="break">&lt;b onclick=&#34;x&#34;&gt;\N{HEBREW LETTER ALEF}&lt;/b&gt;</bdi>' in page


@pytest.mark.asvs("3.4.3", "3.4.6")
@pytest.mark.contract("clickjacking, cache headers, policy")
def test_the_page_cannot_be_framed_and_only_its_form_may_lead_to_the_app(who: Visitor, app: KnownClient) -> None:
    page = ask(who)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["Content-Security-Policy"].split(";"))
    assert policy["frame-ancestors"] == "'none'" and page.headers["X-Frame-Options"] == "DENY"
    assert policy["form-action"] == "'self' https://app.example https:"
    elsewhere = who.get("/account").headers["Content-Security-Policy"]
    assert "form-action 'self';" in elsewhere


def test_an_answer_without_a_scope_keeps_the_boxes_as_they_were_sent(who: Visitor, app: KnownClient) -> None:
    action = re.search(r'<form method="post" action="([^"]*consent[^"]*)"', ask(who).text)
    assert action is not None
    who.get(f"{PATH}?{urlsplit(unescape(action[1])).query}")
    page = who.post(unescape(action[1]), decision="allow")
    assert "Choose at least one of the permissions, or refuse." in text_of(page)
    assert BOX.findall(page.text) == [("orders:read", ""), ("orders:write", "")]


def test_another_account_can_be_used_and_the_request_goes_on(face: Face, who: Visitor, app: KnownClient) -> None:
    state = "a (b) [c] eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhYmNkZWZnaGlqa2xtbm9wIn0.c2ln"
    link = re.search(r'<a href="(/login[^"]*)">Use another account', ask(who, state=state).text)
    assert link is not None
    form = who.get(unescape(link[1]))
    assert form.status_code == 200 and "Password" in form.text
    [onward] = parse_qs(urlsplit(unescape(link[1])).query)["next"]
    other = face.person("orders:read", "orders:write")
    signed_in = who.post("/login", username=other, password=PASSWORD, next=onward)
    assert signed_in.status_code == 303
    question = who.get(signed_in.location)
    assert f"signed in as {other} ." in text_of(question)
    assert parse_qs(urlsplit(signed_in.location).query)["state"] == [state]


def test_a_form_of_ours_leads_to_an_app_by_a_page_of_its_own(face: Face, who: Visitor, name: str) -> None:
    """A redirect would be followed under the policy of the form's page, which allows no other host (CSP 3)."""
    app = register_app(face.core, "Known")
    connect_app(face.core, app, face.core.row_id(name), "orders:read orders:write")
    query = REQUEST | {"client_id": "Known"}
    assert who.http.get(PATH, query_string=query).location.startswith(REDIRECT_URI)
    page = who.http.get(PATH, query_string=query, headers={"Sec-Fetch-Site": "same-origin"})
    refresh = re.search(r'http-equiv="refresh" content="0; url=([^"]*)"', page.text)
    assert page.status_code == 200 and refresh is not None and page.text.count(refresh[1]) == 2  # a link too
    assert unescape(refresh[1]).startswith(f"{REDIRECT_URI}?code=lk_code_")
    assert page.headers["Cache-Control"] == "no-store" and page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "next_path",
    [
        f"{PATH}?redirect_uri={REDIRECT_URI}&state=!*'();:@$,|^`{{}}\\",
        f"{PATH}?state=eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhYmNkZWZnaGlqa2xtbm9wIn0.c2lnbmF0dXJlc2lnbmF0dXJl",
        "/device?user_code=BCDF-GHJK",
        "/device",
    ],
)
def test_a_request_of_any_valid_query_goes_on_after_the_sign_in(face: Face, next_path: str) -> None:
    who = Visitor(face.app.test_client())
    who.get("/login")
    answer = who.post("/login", username=face.person(), password=PASSWORD, next=next_path)
    assert answer.status_code == 303 and unquote(answer.location) == unquote(next_path)


@pytest.mark.asvs("3.7.2")
@pytest.mark.contract("open redirect after sign-in")
@pytest.mark.parametrize(
    "next_path",
    [
        f"{PATH}/../../evil",
        f"{PATH}@evil.example/",
        f"/{PATH}?x",
        f"{PATH}?x\r\nSet-Cookie: a=b",
        f'{PATH}?x="><script>',
        f"{PATH}?x#y",
        f"{PATH}?state=lk_pat_{'a' * 38}",
        f"{PATH}?{'x' * 5_000}",
        "/devices",
        "/device/../console",
    ],
)
def test_nothing_else_goes_on(face: Face, who: Visitor, next_path: str) -> None:
    assert who.http.get("/login", query_string={"next": next_path}).location == "/account/tokens"


def test_a_bad_client_is_refused_on_a_page(who: Visitor, app: KnownClient) -> None:
    page = ask(who, "nobody")
    assert page.status_code == 400 and "Nothing was allowed" in text_of(page)
    assert "This app's request cannot be answered" in text_of(page)
