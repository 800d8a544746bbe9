"""What asks a user again after 15 minutes, and what a password alone does not open."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from app.actions.sign_in.sessions import FRESH
from app.web import account, console
from app.web.page_routes import PageRoutes, Route
from tests.core import ISSUER
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.account.factors import (
    COOKIE,
    PAGE,
    browser,
    cookie_of,
    is_in,
    person,
    sign_in,
)
from tests.web.visitor import Visitor, sign_in_at_once


@pytest.fixture(scope="module")
def face(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    made = start_face(tmp_path_factory.mktemp("second-step"), rate_limits="off", require_second_factor="off")
    yield made
    stop_face(made)


def protected_routes() -> list[tuple[str, str]]:
    """Return each route of the pages that asks again: what mints or shows a credential, and all of the console."""
    asked = {(route.method, rule) for routes in account.ROUTES for rule, route in own_rules(routes) if route.confirmed}
    for routes in console.ROUTES:
        asked |= {(route.method, rule) for rule, route in own_rules(routes) if "<path:" not in rule}
    return sorted(asked)


def own_rules(routes: PageRoutes) -> Iterator[tuple[str, Route]]:
    for route in routes._routes:
        yield f"{routes._path or ''}{route.rule}", route


@pytest.fixture(scope="module")
def stale(face: Face) -> Visitor:
    """An operator's browser whose second factor was used too long ago."""
    visitor = sign_in(person(face, "manage"))
    face.core.clock.advance(seconds=FRESH.total_seconds())
    visitor.get("/account")
    return visitor


@pytest.mark.asvs("7.5.1")
@pytest.mark.contract("making a credential and the console ask again after 15 minutes")
@pytest.mark.parametrize(("method", "rule"), protected_routes(), ids=lambda part: str(part))
def test_each_protected_page_asks_again(face: Face, stale: Visitor, method: str, rule: str) -> None:
    path = re.sub(r"<row:[^>]*>|<[^>]*>", "usr_1", rule)
    events = len(face.core.trace())
    answer = stale.get(path) if method == "GET" else stale.post(path)
    assert answer.status_code == 303 and str(answer.location).startswith("/login/confirm?next=/"), answer.text[:300]
    assert len(face.core.trace()) == events


def test_the_routes_that_ask_again_are_these() -> None:
    own = {rule for _, rule in protected_routes() if not rule.startswith("/console")}
    assert own == {
        *("/account/password", "/account/tokens", "/account/tokens/new"),
        "/account/tokens/<row:token_id>/regenerate",
    }
    assert len(protected_routes()) > 80


@pytest.mark.parametrize("path", ["", "/passkeys/options", "/passkeys", "/app", "/app/confirm", "/recovery-codes"])
@pytest.mark.asvs("7.5.1")
@pytest.mark.contract("changing a factor asks again after 15 minutes, without one for the password")
def test_changing_a_factor_asks_again_also_for_the_password(face: Face, path: str) -> None:
    name = face.person()
    visitor = browser(face)
    visitor.sign_in(name, PASSWORD)
    visitor.get("/account")
    face.core.clock.advance(seconds=FRESH.total_seconds())
    answer = visitor.post(PAGE + path) if path else visitor.get(PAGE)
    assert answer.status_code == 303 and str(answer.location).startswith("/login/confirm?next=/account/second-factor")
    assert visitor.get(answer.location).status_code == 200
    assert visitor.post("/login/confirm", password="wrong", next=PAGE).status_code == 401
    assert visitor.post("/login/confirm", password=PASSWORD, next=PAGE).location == PAGE
    assert visitor.get(PAGE).status_code == 200
    assert visitor.get("/account/tokens/new").status_code == 200


@pytest.mark.asvs("7.2.4")
@pytest.mark.contract("making a credential and the console ask again after 15 minutes")
def test_a_confirmed_user_goes_back_and_has_a_new_session_secret(face: Face) -> None:
    who = person(face, "manage")
    visitor = sign_in(who)
    face.core.clock.advance(seconds=FRESH.total_seconds())
    asked = visitor.get("/console/users?sort=username")
    assert visitor.get(asked.location).status_code == 200
    before = cookie_of(visitor)
    assert visitor.post("/login/confirm", method="otp", code="000000").status_code == 401
    assert visitor.post("/login/confirm", password=PASSWORD).status_code == 401  # the password does not suffice
    confirmed = visitor.post("/login/confirm", method="otp", code=who.next_code(), next="/console/users?sort=username")
    assert confirmed.location == "/console/users?sort=username" and visitor.get("/console/users").status_code == 200
    old = browser(face)
    old.http.set_cookie(COOKIE, before, secure=True)
    assert not is_in(old) and face.core.trace("user_session.confirm")[-1].details["method"] == "otp"


def test_a_session_that_began_with_the_password_alone_confirms_at_once(face: Face) -> None:
    who = person(face, "manage")
    visitor = sign_in_at_once(face, who.name)  # as before the user had a factor
    assert str(visitor.get("/console").location).startswith("/login/confirm")


@pytest.mark.contract("a second factor closes Basic at /me, and says where to go")
def test_a_password_alone_does_not_open_me(face: Face) -> None:
    who = person(face)
    refused = face.me(who.name)
    assert refused.status_code == 401 and f"{ISSUER}/account/tokens" in refused.json["detail"]
    assert face.me(who.name, path="/personal-access-tokens", method="POST", json={}).status_code == 401
    assert "second factor" not in face.me(who.name, "wrong").text
    assert face.me(face.person()).status_code == 200


def test_the_api_of_a_page_asks_to_confirm_before_it_makes_a_token(face: Face) -> None:
    who = person(face, "orders:read")
    visitor = sign_in(who)
    visitor.get("/account")
    body, token = {"name": "one", "scopes": ["orders:read"]}, {"X-CSRF-Token": visitor._token}
    assert visitor.http.post("/api/v1/me/personal-access-tokens", json=body, headers=token).status_code == 201
    face.core.clock.advance(seconds=FRESH.total_seconds())
    refused = visitor.http.post("/api/v1/me/personal-access-tokens", json=body, headers=token)
    assert refused.status_code == 403 and "/login/confirm" in refused.text
    assert visitor.http.get("/api/v1/me").status_code == 200


def test_allowing_a_device_asks_again_and_refusing_it_does_not(face: Face) -> None:
    visitor = sign_in(person(face))
    face.core.clock.advance(seconds=FRESH.total_seconds())
    visitor.get("/device")
    asked = visitor.post("/device/answer", user_code="BCDF-GHJK", decision="allow")
    assert asked.location == "/login/confirm?next=/device?user_code%3DBCDF-GHJK"
    assert visitor.post("/device/answer", user_code="BCDF-GHJK", decision="deny").status_code == 404
