"""What waits for a second factor: the notice of a new place, and the page that the user came for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import pyotp
import pytest
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR
from app.actions.directory.identity_provider_records import NewIdentityLink
from app.actions.directory.users import UserChanges
from app.models import KnownAddress, OutboxMessage
from tests.management.face import PASSWORD, Face, start_face, stop_face
from tests.web.account.factors import PAGE, Person, add_passkey, browser, person, sign_in
from tests.web.account.provider_scene import ID, staged
from tests.web.visitor import Visitor

AWAY = "198.51.100.7"
MAIL: dict[str, Any] = {"smtp_url": "smtp://127.0.0.1:9", "mail_from": "latchkey@acme.example"}
REQUEST = "/oauth/authorize?client_id=app&state=eyJhbGciOiJub25lIn0.eyJhIjoxfQ.c2ln&scope=a%20b"
ELSEWHERE = ("https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/account/../x")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Face]:
    """Everybody must have a second factor."""
    made = start_face(tmp_path_factory.mktemp("onward"), rate_limits="off", require_second_factor="everybody", **MAIL)
    yield made
    stop_face(made)


def places(face: Face, who: Person) -> tuple[int, int]:
    """Return how many notices of a new place were written, and how many addresses of the user are known."""
    with face.core.store.reading() as session:
        sent = session.scalars(select(OutboxMessage).where(OutboxMessage.type == "sign_in.new_place")).all()
        known = session.scalars(select(KnownAddress).where(KnownAddress.user_id == who.actor.id)).all()
    return len([one for one in sent if one.recipient == who.actor.id]), len(known)


def with_mail(face: Face) -> Person:
    """Return a user with an address and an app, who has signed in at home."""
    who = person(face)
    face.core.actions.users.change(OPERATOR, who.actor.id, UserChanges(email=f"{who.name}@acme.example"))
    sign_in(who)
    assert places(face, who) == (0, 1)
    return who


def away(face: Face) -> Visitor:
    visitor = browser(face)
    visitor.http.environ_base["REMOTE_ADDR"] = AWAY
    return visitor


@pytest.mark.both_databases
def test_a_new_place_is_reported_after_the_second_step_alone(tmp_path: Path) -> None:
    with staged(tmp_path, require_second_factor="off", **MAIL) as scene:
        face, who = scene.face, with_mail(scene.face)
        thief, owner = away(face), away(face)
        assert str(thief.sign_in(who.name, PASSWORD).location).startswith("/login/second")
        assert thief.post("/login/second", method="otp", code="000000").status_code == 401
        assert face.me(who.name, environ_base={"REMOTE_ADDR": AWAY}).status_code == 401
        assert places(face, who) == (0, 1), "nobody has signed in there"
        links = face.core.actions.federation.links
        links.create(OPERATOR, who.actor.id, NewIdentityLink(ID, "s-1"))
        assert str(scene.sign_in(owner, "s-1").location).startswith("/login/second")
        assert places(face, who) == (0, 1), "the identity provider is the first step"
        owner.get("/login/second")
        assert owner.post("/login/second", method="otp", code=who.next_code()).status_code == 303
        assert places(face, who) == (1, 2)


@pytest.mark.both_databases
def test_a_new_place_is_reported_where_one_step_is_all(tmp_path: Path) -> None:
    with staged(tmp_path, require_second_factor="off", **MAIL) as scene:
        face, name = scene.face, scene.face.person()
        user_id = face.core.row_id(name)
        face.core.actions.users.change(OPERATOR, user_id, UserChanges(email="ann@acme.example"))
        who = Person(face, name, pyotp.TOTP("A" * 32))
        assert face.me(name).status_code == 200 and places(face, who) == (0, 1)
        face.core.actions.federation.links.create(OPERATOR, user_id, NewIdentityLink(ID, "s-1"))
        for number, address in enumerate(("198.51.100.7", "203.0.113.9", "203.0.113.200"), 1):
            visitor = browser(face)
            visitor.http.environ_base["REMOTE_ADDR"] = address
            if number == 1:
                assert visitor.sign_in(name, PASSWORD).status_code == 303
            elif number == 2:
                assert scene.sign_in(visitor, "s-1").status_code == 303
            else:
                assert face.me(name, environ_base={"REMOTE_ADDR": address}).status_code == 200
            assert places(face, who) == (number, number + 1), address


def lead_on(page: str) -> str:
    """Return where the button below the recovery codes leads."""
    [found] = re.findall(r'<a href="([^"]+)" role="button" class="btn btn-primary">I have kept them', page)
    return unescape(found)


def read_onward(page: str) -> list[str]:
    """Return what the forms of a page lead on to, without the one that chooses a language."""
    return [unescape(one) for one in re.findall(r'name="next" value="([^"]+)"', page.partition("<footer")[0])]


def begin(face: Face, onward: str) -> tuple[Visitor, str]:
    """Sign a user in who needs a factor; return the browser, and where it is sent from the page that it came for."""
    visitor = browser(face)
    assert visitor.sign_in(face.person("orders:read"), PASSWORD).status_code == 303
    return visitor, str(visitor.get(onward).location)


@pytest.mark.parametrize("onward", ["/account/apps", "/account/tokens/new?name=a", "/device?user_code=ABCD-EFGH"])
def test_an_app_that_had_to_be_set_up_leads_on_to_the_page_that_was_asked_for(strict: Face, onward: str) -> None:
    visitor, page = begin(strict, onward)
    assert page.startswith(f"{PAGE}?next=")
    assert read_onward(visitor.get(page).text) == [onward, onward]
    shown = visitor.post(f"{PAGE}/app", next=onward).location
    assert read_onward(visitor.get(shown).text) == [onward]
    assert read_onward(visitor.post(f"{PAGE}/app/confirm", code="000000", next=onward).text) == [onward]
    secret = re.findall(r'id="secret" value="([A-Z2-7]{32})"', visitor.get(shown).text)[0]
    code = pyotp.TOTP(secret).at(strict.core.clock())
    codes = visitor.get(visitor.post(f"{PAGE}/app/confirm", code=code, next=onward).location)
    assert lead_on(codes.text) == onward and visitor.get(onward).status_code == 200


def test_the_request_of_an_app_is_kept_as_it_is(strict: Face) -> None:
    visitor, _ = begin(strict, "/account")
    page = visitor.get(f"{PAGE}?" + "next=" + REQUEST.replace("&", "%26").replace("%20", "%2520")).text
    assert read_onward(page) == [REQUEST, REQUEST]
    _, added = add_passkey(strict, visitor, next=REQUEST)
    assert lead_on(visitor.get(added.location).text) == REQUEST


@pytest.mark.asvs("3.7.2")
@pytest.mark.parametrize("onward", ELSEWHERE)
def test_it_never_leads_to_another_site(strict: Face, onward: str) -> None:
    visitor, _ = begin(strict, "/account")
    assert read_onward(visitor.http.get(PAGE, query_string={"next": onward}).text) == []
    visitor.get(PAGE)
    assert visitor.post(f"{PAGE}/app", next=onward).location == f"{PAGE}/app"
    _, added = add_passkey(strict, visitor, next=onward)
    assert added.location == f"{PAGE}/recovery-codes"
    page = visitor.http.get(f"{PAGE}/recovery-codes", query_string={"next": onward}).text
    assert lead_on(page) == PAGE
