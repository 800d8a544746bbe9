"""People with a second factor, in browsers without scripts."""

from __future__ import annotations

from dataclasses import dataclass

import pyotp
from werkzeug.test import TestResponse

from app.actions.audit.actor import Actor
from tests.authenticator import Authenticator
from tests.core import ISSUER
from tests.management.face import PASSWORD, Face
from tests.web.visitor import Visitor

COOKIE = "__Host-latchkey"
PAGE = "/account/second-factor"


@dataclass
class Person:
    """A user with an authenticator app, whose next code is always of a step that was not used."""

    face: Face
    name: str
    app: pyotp.TOTP

    @property
    def actor(self) -> Actor:
        return Actor("user", self.face.core.row_id(self.name), self.name)

    def next_code(self) -> str:
        self.face.core.clock.advance(seconds=30)
        return self.app.at(self.face.core.clock())


def browser(face: Face) -> Visitor:
    return Visitor(face.app.test_client())


def person(face: Face, *scopes: str) -> Person:
    name, factors = face.person(*scopes), face.core.actions.second_factors
    sealed = factors.one_time_codes.make()
    app = pyotp.TOTP(factors.one_time_codes.reveal(sealed) or "")
    made = Person(face, name, app)
    factors.add_app(made.actor, sealed, app.at(face.core.clock()), "")
    return made


def sign_in(who: Person, onward: str = "") -> Visitor:
    """Sign in with both factors."""
    visitor = browser(who.face)
    asked = visitor.sign_in(who.name, PASSWORD, onward)
    assert str(asked.location).startswith("/login/second")
    visitor.get(asked.location)
    answer = visitor.post("/login/second", method="otp", code=who.next_code(), next=onward)
    assert answer.status_code == 303 and answer.location == (onward or "/account/tokens"), answer.text
    return visitor


def is_in(who: Visitor) -> bool:
    return who.get("/account").status_code == 200


def cookie_of(who: Visitor) -> str:
    found = who.http.get_cookie(COOKIE)
    return "" if found is None else str(found.value)


def add_passkey(face: Face, who: Visitor, **fields: str) -> tuple[Authenticator, TestResponse]:
    """Add a passkey as the script of the page does."""
    made = Authenticator(ISSUER, "login.example")
    who.get(PAGE)
    asked = who.http.post(f"{PAGE}/passkeys/options", data={"csrf_token": who._token})
    assert asked.status_code == 200 and asked.headers["Cache-Control"] == "no-store"
    return made, who.post(f"{PAGE}/passkeys", name="phone", credential=made.make(asked.text), **fields)


def use_passkey(who: Visitor, made: Authenticator, path: str, options: str, **fields: str) -> TestResponse:
    asked = who.http.post(options, data={"csrf_token": who._token})
    return who.post(path, method="pop", credential=made.use(asked.text), **fields)
