"""A logout that a provider sends ends the sessions that began there: OpenID Connect Back-Channel Logout 1.0."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from app.models import SpentChallenge, UserSession
from tests.fake_provider import CLIENT, LOGOUT_EVENT, SECRET
from tests.web.account.provider_scene import ID, Scene, staged
from tests.web.visitor import Visitor, browser_of

PATH = f"/login/backchannel-logout/{ID}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with staged(tmp_path) as made:
        yield made


def send(scene: Scene, token: str, path: str = PATH, **options: Any) -> TestResponse:
    return scene.face.app.test_client().post(path, data={"logout_token": token}, **options)


def is_in(who: Visitor) -> bool:
    return who.get("/account").status_code == 200


@pytest.mark.both_databases
@pytest.mark.asvs("7.1.3", "7.6.1", "10.5.5")
@pytest.mark.contract("back-channel logout ends the sessions")
def test_a_logout_of_a_session_ends_that_one_alone(scene: Scene) -> None:
    first = scene.admit("s-1", preferred_username="ann", sid="one")
    second = scene.admit("s-1", sid="two")
    other = scene.admit("s-2", preferred_username="bob", sid="three")
    answer = send(scene, scene.provider.logout_token(sid="one"))
    assert answer.status_code == 200 and answer.headers["Cache-Control"] == "no-store"
    assert (is_in(first), is_in(second), is_in(other)) == (False, True, True)
    ended = scene.face.core.trace("user_session.end")[-1]
    assert ended.actor_type == "server" and ended.details["user"] == scene.user("ann").id
    assert send(scene, scene.provider.logout_token(jti="b", sub="s-1", sid="two")).status_code == 200
    assert not is_in(second) and is_in(other)


@pytest.mark.both_databases
def test_a_logout_of_a_subject_ends_what_began_at_the_provider(scene: Scene) -> None:
    first, second = scene.admit("s-1", preferred_username="ann", sid="one"), scene.admit("s-1")
    other = scene.admit("s-2", preferred_username="bob")
    by_password = browser_of(scene.face, scene.face.person())
    assert send(scene, scene.provider.logout_token(sub="s-1")).status_code == 200
    assert not is_in(first) and not is_in(second) and is_in(other) and is_in(by_password)


def test_a_session_of_a_subject_that_named_none_ends_too(scene: Scene) -> None:
    first, second = scene.admit("s-1", preferred_username="ann"), scene.admit("s-1", sid="another")
    assert send(scene, scene.provider.logout_token(sub="s-1", sid="one")).status_code == 200
    assert not is_in(first) and is_in(second)


def test_a_logout_of_nobody_here_is_accepted(scene: Scene) -> None:
    assert send(scene, scene.provider.logout_token(sub="nobody")).status_code == 200


def test_a_logout_token_is_accepted_once(scene: Scene) -> None:
    token = scene.provider.logout_token(sub="s-1")
    assert send(scene, token).status_code == 200
    who = scene.admit("s-1", preferred_username="ann")
    assert send(scene, token).status_code == 400 and is_in(who)
    scene.face.core.clock.advance(minutes=12)
    assert send(scene, scene.provider.logout_token(sub="s-1", jti="later")).status_code == 200
    assert scene.face.core.count(SpentChallenge) == 1  # what has expired is deleted


WRONG: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "another"},
    "no event": {"events": None},
    "another event": {"events": {"https://evil.example": {}}},
    "an event that is true": {"events": {LOGOUT_EVENT: True}},
    "events that are a list": {"events": [LOGOUT_EVENT]},
    "a nonce": {"nonce": "a"},
    "neither a subject nor a session": {"sub": None},
    "no jti": {"jti": None},
    "a jti that is a number": {"jti": 7},
    "a jti too long": {"jti": "j" * 501},
    "no time of issue": {"iat": None},
    "no expiry": {"exp": None},
    "a type of another token": {"typ": "JWT"},
    "the type of an access token": {"typ": "at+jwt"},
    "a session that is a list": {"sid": ["one"]},
    "a subject too long": {"sub": "s" * 256},
}


@pytest.mark.asvs("10.5.5")
@pytest.mark.parametrize("changed", WRONG.values(), ids=WRONG)
def test_a_wrong_logout_token_ends_nothing(scene: Scene, changed: dict[str, Any]) -> None:
    who = scene.admit("s-1", preferred_username="ann", sid="one")
    answer = send(scene, scene.provider.logout_token(**({"sub": "s-1"} | changed)))
    assert answer.status_code == 400 and answer.json is not None and answer.json["error"] == "invalid_request"
    assert is_in(who) and answer.headers["Cache-Control"] == "no-store"


def test_an_old_expired_or_foreign_token_ends_nothing(scene: Scene) -> None:
    who, provider = scene.admit("s-1", preferred_username="ann"), scene.provider
    now = provider.now()
    for claims in ({"exp": now - 61}, {"iat": now - 400, "exp": now + 60}, {"iat": now + 62}):
        assert send(scene, provider.logout_token(sub="s-1", **claims)).status_code == 400
    for token in ("", "x", "a.b.c", "e" * 60_000, provider.sign(provider.claims("s-1"))):
        assert send(scene, token).status_code == 400
    claims = jwt.decode(provider.logout_token(sub="s-1"), options={"verify_signature": False})
    for forged in (
        jwt.encode(claims, "", "none", {"typ": "logout+jwt"}),
        jwt.encode(claims, SECRET * 2, "HS256", {"typ": "logout+jwt", "kid": provider.kid}),
    ):
        assert send(scene, forged).status_code == 400
    assert is_in(who) and CLIENT


@pytest.mark.parametrize("form", [{}, {"logout_token": ["a", "b"]}, {"token": "a"}])
def test_a_request_without_one_token_is_refused(scene: Scene, form: dict[str, Any]) -> None:
    answer = scene.face.app.test_client().post(PATH, data=form)
    assert answer.status_code == 400 and answer.json is not None and answer.json["error"] == "invalid_request"


def test_an_unknown_provider_another_type_and_another_method_are_refused(scene: Scene) -> None:
    token, http = scene.provider.logout_token(sub="s-1"), scene.face.app.test_client()
    assert send(scene, token, "/login/backchannel-logout/nobody").status_code == 400
    assert http.post(PATH, json={"logout_token": token}).status_code == 400
    assert http.get(PATH).status_code == 405


def test_it_reads_and_sets_no_cookie(scene: Scene) -> None:
    who = scene.admit("s-1", preferred_username="ann")
    answer = who.http.post(PATH, data={"logout_token": scene.provider.logout_token(sub="s-1")})
    assert answer.status_code == 200 and "Set-Cookie" not in answer.headers
    assert scene.face.core.count(UserSession) == 0


def test_an_address_that_sends_wrong_tokens_is_limited(tmp_path: Path) -> None:
    with staged(tmp_path, rate_limits="on") as scene:
        statuses = [send(scene, "x").status_code for _ in range(61)]
        assert statuses == [400] * 60 + [429]
        assert int(send(scene, "x").headers["Retry-After"]) > 0 and scene.face.core.count(SpentChallenge) == 0


def test_while_the_provider_is_away_its_logout_is_answered_503(scene: Scene) -> None:
    scene.provider.answers["/jwks"] = (500, b"{}", {})
    assert send(scene, scene.provider.logout_token(sub="s-1")).status_code == 503
