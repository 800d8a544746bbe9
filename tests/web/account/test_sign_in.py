"""Signing in and out with a browser: the cookie, and attacks on the form."""

import json
import re
from collections.abc import Iterator

import pytest
from flask import Flask

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import UserChanges
from tests.conftest import StartServer
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.visitor import Visitor

COOKIE = "__Host-latchkey"
FOR_PROGRAMS = "/login/backchannel-logout"  # signed by a provider, without a cookie: test_provider_logout.py
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "/%5cevil.example",
    "javascript:alert(1)",
    "/account\r\nSet-Cookie: a=b",
    "/accounts.evil.example",
    "/account@evil.example",
    "/../account",
    "",
)


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("sign-in"), rate_limits="off")
    yield made
    stop_face(made)


def visitor(face: Face) -> Visitor:
    return Visitor(face.app.test_client())


def sign_in(face: Face, *scopes: str) -> tuple[Visitor, str]:
    name, who = face.person(*scopes), visitor(face)
    assert who.sign_in(name, PASSWORD).status_code == 303
    return who, name


def cookie_of(who: Visitor) -> str:
    cookie = who.http.get_cookie(COOKIE)
    assert cookie is not None
    return str(cookie.value)


def is_in(who: Visitor) -> bool:
    return who.get("/account").status_code == 200


def test_an_anonymous_visitor_signs_in_and_reaches_the_page_they_asked_for(face: Face) -> None:
    who = visitor(face)
    asked = who.get("/account/tokens?status=active")
    assert asked.status_code == 303 and asked.location.startswith("/login?next=")
    form = who.get(asked.location)
    assert form.status_code == 200 and "Sign in" in form.text
    onward = who.post("/login", username=face.person(), password=PASSWORD, next="/account/tokens?status=active")
    assert onward.status_code == 303 and onward.location == "/account/tokens?status=active"
    assert who.get(onward.location).status_code == 200


def test_the_root_redirects_to_the_tokens(face: Face) -> None:
    assert visitor(face).get("/").location == "/account/tokens"


@pytest.mark.asvs("3.7.2", "RFC 9700 §4.11–4.12")
@pytest.mark.contract("open redirect after sign-in")
@pytest.mark.parametrize("wanted", ELSEWHERE)
def test_no_sign_in_redirects_to_another_site(face: Face, wanted: str) -> None:
    who = visitor(face)
    who.get("/login")
    assert who.post("/login", username=face.person(), password=PASSWORD, next=wanted).location == "/account/tokens"
    assert visitor(face).http.get("/login", query_string={"next": wanted}).text.count("evil") == 0


@pytest.mark.asvs("3.3.1", "3.3.2", "3.3.3", "3.3.4")
def test_the_cookie_is_kept_from_scripts_other_sites_and_other_hosts(face: Face) -> None:
    who = visitor(face)
    who.get("/login")
    made = who.post("/login", username=face.person(), password=PASSWORD).headers["Set-Cookie"]
    assert made.startswith("__Host-latchkey=") and "Domain" not in made  # RFC 6265bis §4.1.3.2
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(made.split("; "))


def test_on_loopback_without_https_a_browser_keeps_the_cookie_too(fresh_server: StartServer) -> None:
    made = fresh_server().http.get("/login").headers["Set-Cookie"]
    assert re.match(r"latchkey-\d+=", made) and "HttpOnly" in made and "Secure" not in made


@pytest.mark.asvs("7.2.4")
@pytest.mark.contract("session fixation")
def test_a_cookie_from_before_the_sign_in_is_not_valid_after_it(face: Face) -> None:
    who = visitor(face)
    who.get("/login")
    planted = cookie_of(who)
    who.post("/login", username=face.person(), password=PASSWORD)
    assert is_in(who) and cookie_of(who) != planted
    other = visitor(face)
    other.http.set_cookie(COOKIE, planted)
    assert not is_in(other)


@pytest.mark.asvs("7.2.1", "7.4.1")
@pytest.mark.contract("session fixation")
def test_signing_out_ends_the_session_and_not_only_the_cookie(face: Face) -> None:
    who, _ = sign_in(face)
    stolen = cookie_of(who)
    who.get("/account")
    assert who.post("/logout").status_code == 303
    assert not is_in(who)
    thief = visitor(face)
    thief.http.set_cookie(COOKIE, stolen)
    assert not is_in(thief)


@pytest.mark.asvs("7.2.1")
def test_a_forged_or_changed_cookie_is_not_signed_in(face: Face) -> None:
    who, _ = sign_in(face)
    for forged in (cookie_of(who)[:-2] + "xx", "eyJzZWNyZXQiOiJhIn0.aaaa.bbbb", "\N{SNOWMAN}", "x" * 5000):
        other = visitor(face)
        other.http.set_cookie(COOKIE, forged)
        assert not is_in(other)


@pytest.mark.contract("user enumeration and brute force")
def test_unknown_user_wrong_password_and_disabled_user_look_alike(face: Face) -> None:
    disabled = face.person()
    face.core.actions.users.change(OPERATOR, face.core.row_id(disabled), UserChanges(enabled=False))
    seen = set()
    for username, password in ((face.person(), "wrong"), ("nobody-here", PASSWORD), (disabled, PASSWORD)):
        who = visitor(face)
        who.get("/login")
        answer = who.post("/login", username=username, password=password)
        assert answer.status_code == 401 and "WWW-Authenticate" not in answer.headers
        seen.add(answer.text.replace(username, "").split("<main")[1].split("csrf_token")[0])
    assert len(seen) == 1


@pytest.mark.contract("user enumeration and brute force")
def test_guessing_is_slowed_down_and_the_owner_gets_in_from_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    face = start_face(tmp_path_factory.mktemp("guessing"), rate_limits="on")
    name, guesser = face.person(), visitor(face)
    guesser.get("/login")
    answers = [guesser.post("/login", username=name, password=f"guess {number}") for number in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0 and "again later" in answers[-1].text
    assert guesser.post("/login", username=name, password=PASSWORD).status_code == 429
    owner = visitor(face)
    owner.http.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert owner.sign_in(name, PASSWORD).status_code == 303
    stop_face(face)


@pytest.mark.parametrize("username", ["", "x" * 5000, "a\0b", "<script>", "\N{SNOWMAN}"])
def test_an_odd_username_is_refused_as_wrong(face: Face, username: str) -> None:
    who = visitor(face)
    who.get("/login")
    answer = who.post("/login", username=username, password="\0" * 300)
    assert answer.status_code == 401 and "<script>" not in answer.text.split("<main")[1]


@pytest.mark.asvs("7.4.2", "7.4.5")
@pytest.mark.contract("sessions are rows: listed, ended one by one, by a new password, with the user")
def test_a_disabled_user_is_signed_out_at_once_and_for_good(face: Face) -> None:
    who, name = sign_in(face)
    row = face.core.row_id(name)
    face.core.actions.users.change(OPERATOR, row, UserChanges(enabled=False))
    assert not is_in(who)
    face.core.actions.users.change(OPERATOR, row, UserChanges(enabled=True))
    assert not is_in(who)


@pytest.mark.asvs("7.4.2")
def test_a_deleted_user_is_signed_out_at_once(face: Face) -> None:
    who, name = sign_in(face)
    face.core.actions.users.delete(OPERATOR, face.core.row_id(name))
    assert not is_in(who)


@pytest.mark.asvs("8.3.1")
@pytest.mark.contract("only holders of `manage` reach the console")
def test_the_console_admits_holders_of_manage_and_only_as_long_as_they_hold_it(face: Face) -> None:
    stranger, (person, _), (operator, name) = visitor(face), sign_in(face, "orders:read"), sign_in(face, "manage")
    sign_in(face, "manage")  # the last administrator would stay
    assert stranger.get("/console").status_code == 303
    assert person.get("/console").status_code == 403
    assert operator.get("/console").status_code == 200 and "Console" in operator.get("/account").text
    face.core.actions.users.change(OPERATOR, face.core.row_id(name), UserChanges(roles=()))
    assert operator.get("/console").status_code == 403


@pytest.mark.asvs("7.3.1", "7.3.2")
@pytest.mark.contract("sessions are rows: listed, ended one by one, by a new password, with the user")
def test_a_session_ends_after_a_day_unused_and_after_thirty_days(face: Face) -> None:
    who, _ = sign_in(face)
    for _ in range(2):
        face.core.clock.advance(hours=23)
        assert is_in(who)
    face.core.clock.advance(hours=25)
    assert not is_in(who)
    who, _ = sign_in(face)
    for _ in range(31):
        face.core.clock.advance(hours=23)
        is_in(who)
    face.core.clock.advance(hours=23)
    assert not is_in(who)


def paths_of_pages(app: Flask, method: str) -> list[str]:
    """Return the paths of the pages that take a method, with a value in each variable part."""
    found = [rule for rule in app.url_map.iter_rules() if method in (rule.methods or ())]
    paths = [rule.rule for rule in found if rule.rule.startswith(("/login", "/logout", "/account", "/console"))]
    paths = [path for path in paths if not path.startswith(FOR_PROGRAMS)]
    assert paths
    return ["/".join("x" if part.startswith("<") else part for part in path.split("/")) for path in paths]


@pytest.mark.asvs("3.5.1", "7.6.2")
@pytest.mark.contract("request forgery, on every form")
def test_no_form_of_another_site_changes_anything(face: Face) -> None:
    who, _ = sign_in(face, "manage")
    for path in paths_of_pages(face.app, "POST"):
        for fields in ({}, {"csrf_token": "made up"}, {"csrf_token": ""}):
            answer = who.http.post(path, data=fields)
            assert answer.status_code == 400, path
            assert "out of date" in answer.text
    assert is_in(who)


def test_a_refusal_leaves_the_browser_signed_in(face: Face) -> None:
    who, _ = sign_in(face)  # the cookie looks like a secret, which no error may hold
    for _ in range(5):
        who.get("/account")
        assert who.post("/account/password", present="wrong").status_code == 422
        assert who.http.post("/logout").status_code == 400 and is_in(who)


@pytest.mark.asvs("3.5.1")
@pytest.mark.contract("request forgery, on every form")
def test_a_token_of_another_browsers_form_does_not_count(face: Face) -> None:
    one, _ = sign_in(face)
    other, _ = sign_in(face)
    one.get("/account")
    other.get("/account")
    answer = other.http.post("/logout", data={"csrf_token": one._token})
    assert answer.status_code == 400 and is_in(other)


@pytest.mark.asvs("3.4.3", "RFC 9700 §4.16", "14.2.3")
@pytest.mark.contract("clickjacking, cache headers, policy")
def test_every_page_is_framed_nowhere_kept_nowhere_and_runs_only_our_scripts(face: Face) -> None:
    who, _ = sign_in(face, "manage")
    for path in paths_of_pages(face.app, "GET"):
        answer = who.http.get(path)
        policy = answer.headers.get("Content-Security-Policy", "")
        assert answer.headers["X-Frame-Options"] == "DENY" and answer.headers["Cache-Control"] == "no-store", path
        assert answer.headers["X-Content-Type-Options"] == "nosniff" and answer.status_code < 500, path
        if answer.mimetype == "text/html" and answer.status_code not in (302, 303):
            assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy, (
                path
            )
            assert " style=" not in answer.text and "onclick" not in answer.text and "<style" not in answer.text, path


@pytest.mark.asvs("3.4.3")
@pytest.mark.contract("clickjacking, cache headers, policy")
def test_each_page_has_a_nonce_of_its_own(face: Face) -> None:
    who, _ = sign_in(face)
    policies = {who.get("/account").headers["Content-Security-Policy"] for _ in range(3)}
    assert len(policies) == 3 and all("script-src 'nonce-" in policy for policy in policies)


@pytest.mark.asvs("7.6.2")
def test_nothing_but_pages_sets_or_reads_the_cookie(face: Face) -> None:
    who, _ = sign_in(face)
    for path in ("/healthz", "/oauth/jwks", "/.well-known/oauth-authorization-server"):
        assert "Set-Cookie" not in who.http.get(path).headers
    assert who.http.get("/api/v1/users").status_code == 401


@pytest.mark.asvs("3.5.1")
def test_the_users_own_part_of_the_api_takes_the_browser_and_its_token(face: Face) -> None:
    who, name = sign_in(face, "orders:read")
    who.get("/account")
    assert json.loads(who.http.get("/api/v1/me").text)["username"] == name
    body = {"name": "from a page", "scopes": ["orders:read"]}
    refused = who.http.post("/api/v1/me/personal-access-tokens", json=body)
    assert refused.status_code == 403 and "X-CSRF-Token" in refused.text
    made = who.http.post("/api/v1/me/personal-access-tokens", json=body, headers={"X-CSRF-Token": who._token})
    assert made.status_code == 201 and "lk_pat_" in made.text
    assert visitor(face).http.get("/api/v1/me").status_code == 401


def test_below_the_path_of_an_issuer_every_link_and_form_stays_there(fresh_server: StartServer) -> None:
    server = fresh_server(issuer="http://127.0.0.1:8080/tenant")
    first, http = server.bootstrap, server.http
    asked = http.get("/tenant/console/users", follow_redirects=False)
    assert asked.headers["Location"].startswith("/tenant/login?next=")
    token = http.get(asked.headers["Location"]).text.split('name="csrf_token" value="')[1].split('"')[0]
    form = {"username": first["admin_username"], "password": first["admin_password"], "next": "/console/users"}
    come = http.post("/tenant/login", data=form | {"csrf_token": token}, follow_redirects=False)
    assert come.headers["Location"] == "/tenant/console/users"
    for path in ("/tenant/console/users", "/tenant/account", "/tenant/account/tokens/new", "/tenant/console/roles"):
        page = http.get(path).text
        places = re.findall(r'(?:href|action|src|hx-get)="(/[^"]*)"', page)
        assert len(places) > 5 and all(place.startswith("/tenant/") for place in places), path
