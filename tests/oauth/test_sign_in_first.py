"""Who signs in before an app is answered: prompt and max_age (OpenID Connect Core §3.1.2.1)."""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from app.actions.sign_in.sessions import end_sessions
from app.crypto.request_time import VALID
from tests.oauth.authorizing import AUTHORIZE, Person, parameters_of, query_of, refused, register
from tests.oauth.wire import ORDERS, Wire


@pytest.fixture
def site(own_wire: Callable[..., Wire]) -> Wire:
    """An application of its own: the tests move its clock."""
    wire = own_wire()
    register(wire, "app")
    return wire


def person(site: Wire) -> Person:
    made = Person(site)
    made.sign_in()
    site.core.clock.advance(seconds=1)
    return made


def way_back(response: Any, *, again: bool) -> str:
    """Return the path to which the sign-in form goes on."""
    assert response.status_code == 303
    location = response.headers["Location"]
    assert location.startswith("/login?"), location
    asked = query_of(location)
    assert ("again" in asked) is again
    [path] = asked["next"]
    assert path.startswith(f"{AUTHORIZE}?")
    return str(path)


def test_a_user_who_is_not_signed_in_signs_in_and_goes_on(site: Wire) -> None:
    nobody = Person(site)
    path = way_back(nobody.open(), again=False)
    site.core.clock.advance(seconds=5)
    nobody.sign_in()
    assert nobody.http.get(path).status_code == 200


def test_prompt_none_shows_nothing(site: Wire) -> None:
    refused(Person(site).open(prompt="none"), "login_required")
    alice = person(site)
    refused(alice.open(prompt="none"), "consent_required")
    alice.authorize()
    assert parameters_of(alice.open(prompt="none"))["code"].startswith("lk_code_")
    refused(alice.open(prompt="none", scope="orders:read orders:write"), "consent_required")
    refused(alice.open(prompt="none", max_age="0"), "login_required")


def test_agreed_once_it_is_asked_again_only_for_more(site: Wire) -> None:
    alice = person(site)
    assert alice.open().status_code == 200
    alice.authorize()
    assert "code" in parameters_of(alice.open())
    assert alice.open(prompt="consent").status_code == 200
    assert alice.open(scope="orders:read orders:list").status_code == 200


@pytest.mark.parametrize("prompt", ["login", "login consent", "consent login"])
def test_prompt_login_needs_a_new_sign_in(site: Wire, prompt: str) -> None:
    alice = person(site)
    alice.authorize()
    path = way_back(alice.open(prompt=prompt), again=True)
    way_back(alice.http.get(path), again=True)  # the same session is not new by opening the path once more
    site.core.clock.advance(seconds=30)
    alice.sign_in()
    after = alice.http.get(path)
    assert "code" in parameters_of(alice.answer(after) if "consent" in prompt else after)


def test_the_consent_after_a_new_sign_in_needs_no_further_one(site: Wire) -> None:
    alice = person(site)
    path = way_back(alice.open(prompt="login"), again=True)
    site.core.clock.advance(seconds=30)
    alice.sign_in()
    assert "code" in parameters_of(alice.answer(alice.http.get(path)))


def test_a_mark_is_for_one_request_and_an_hour(site: Wire) -> None:
    alice = person(site)
    path = way_back(alice.open(prompt="login"), again=True)
    site.core.clock.advance(seconds=1)
    alice.sign_in()
    assert alice.http.get(path).status_code == 200
    for changed in (path.replace("untouched", "changed"), path[:-1] + ("A" if path[-1] != "A" else "B"), path + "x"):
        way_back(alice.http.get(changed), again=True)
    mark = query_of(path)["signed_in_after"][0]
    way_back(alice.open(prompt="login", scope="orders:list", signed_in_after=mark), again=True)
    for invented in ("", "1.2", "9" * 30 + ".", ".", "x.é", f"{mark}.{mark}"):
        way_back(alice.open(prompt="login", signed_in_after=invented), again=True)
    site.core.clock.advance(seconds=VALID.total_seconds())
    way_back(alice.http.get(path), again=True)


def test_max_age_counts_from_the_sign_in(site: Wire) -> None:
    alice = person(site)
    alice.authorize()
    site.core.clock.advance(seconds=99)
    assert "code" in parameters_of(alice.open(max_age="100"))
    site.core.clock.advance(seconds=1)
    path = way_back(alice.open(max_age="100"), again=True)
    site.core.clock.advance(seconds=1)
    alice.sign_in()
    assert "code" in parameters_of(alice.http.get(path))


def test_max_age_zero_ends_after_one_sign_in(site: Wire) -> None:
    alice = person(site)
    alice.authorize()
    path = way_back(alice.open(max_age="0"), again=True)
    site.core.clock.advance(seconds=1)
    alice.sign_in()
    site.core.clock.advance(seconds=1)
    assert "code" in parameters_of(alice.http.get(path))


def test_a_session_that_ended_does_not_count(site: Wire) -> None:
    alice = person(site)
    page = alice.open()
    with site.core.store.transaction() as session:
        end_sessions(session, site.core.row_id("alice"))
    way_back(alice.open(), again=False)
    way_back(alice.answer(page), again=False)


def test_a_user_without_a_role_for_it_is_refused(site: Wire) -> None:
    site.core.user("bob")
    bob = Person(site, "bob")
    bob.sign_in()
    refused(bob.open(), "invalid_scope")
    refused(bob.open(scope=None, resource=ORDERS), "invalid_scope")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"User-Agent": "Mozilla/5.0 (X11)"}])
def test_a_browser_goes_from_our_form_to_the_app_by_a_page(site: Wire, headers: dict[str, str]) -> None:
    """Chromium applies `form-action` to each redirect that follows a form (CSP 3)."""
    alice = person(site)
    alice.authorize()
    path = way_back(alice.open(prompt="login"), again=True)
    site.core.clock.advance(seconds=1)
    alice.sign_in()
    page = alice.http.get(path, headers=headers)
    [location] = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    assert page.status_code == 200 and "code" in query_of(unescape(location))
