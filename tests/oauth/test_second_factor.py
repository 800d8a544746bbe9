"""A user's second factor before an app may act for them: a consent takes a recent use of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pyotp
import pytest

from app.actions.audit.actor import Actor
from app.actions.sign_in.sessions import FRESH
from tests.oauth.authorizing import Person, parameters_of, refused, register
from tests.oauth.wire import Wire
from tests.second_factors import set_up_app

OwnWire = Callable[..., Wire]


def alice_of(wire: Wire) -> tuple[Person, pyotp.TOTP]:
    """Sign in a user with an authenticator app, as if both factors had been used."""
    person = Person(wire)
    app = set_up_app(wire.core, Actor("user", wire.core.row_id("alice"), "alice"))
    person.sign_in()
    return person, app


def confirm(person: Person, app: pyotp.TOTP, path: str) -> Any:
    """Use the factor again, by the form at /login/confirm."""
    clock = person.wire.core.clock
    clock.advance(seconds=30)
    page = person.http.get(path).text
    token, onward = (
        unescape(re.findall(rf'name="{name}" value="([^"]+)"', page)[0]) for name in ("csrf_token", "next")
    )
    sent = {"csrf_token": token, "method": "otp", "code": app.at(clock()), "next": onward}
    return person.http.post("/login/confirm", data=sent)


@pytest.mark.contract("making a credential and the console ask again after 15 minutes")
def test_a_question_of_consent_asks_for_the_second_factor_first(own_wire: OwnWire) -> None:
    wire = own_wire(require_second_factor="off")
    register(wire, "app")
    alice, app = alice_of(wire)
    asked = alice.open(state="kept")
    assert asked.status_code == 303 and str(asked.location).startswith("/login/confirm?next=/oauth/authorize")
    back = confirm(alice, app, str(asked.location))
    assert str(back.location).startswith("/oauth/authorize?")
    question = alice.http.get(back.location)
    assert question.status_code == 200
    assert parameters_of(alice.answer(question))["state"] == "kept"
    wire.core.clock.advance(seconds=FRESH.total_seconds())
    assert parameters_of(alice.open())["code"]  # agreed before: nothing is asked again


def test_an_answer_that_comes_too_late_is_asked_again(own_wire: OwnWire) -> None:
    wire = own_wire(require_second_factor="off")
    register(wire, "app")
    alice, app = alice_of(wire)
    asked = alice.open()
    question = alice.http.get(confirm(alice, app, str(asked.location)).location)
    wire.core.clock.advance(seconds=FRESH.total_seconds())
    late = alice.answer(question)
    assert late.status_code == 303 and str(late.location).startswith("/login/confirm?next=/oauth/authorize")
    assert parameters_of(alice.answer(question, "deny"))["error"] == "access_denied"


@pytest.mark.contract("a user who must have a second factor sets one up first, and keeps the last one")
def test_an_app_waits_until_a_user_who_must_have_a_factor_has_one(own_wire: OwnWire) -> None:
    wire = own_wire(require_second_factor="everybody")
    register(wire, "app")
    alice = Person(wire)
    alice.sign_in()
    asked = alice.open()
    assert asked.status_code == 303 and str(asked.location).startswith("/account/second-factor?next=/oauth/authorize")
    assert refused(alice.open(prompt="none"), "interaction_required")
