"""/me by password: every failure gets the same answer, guessing is slowed down, and calls with a token are not."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from app import create_app
from app.actions.limits.abuse import PASSWORD as LIMIT
from app.actions.sign_in import passwords
from app.actions.sign_in.passwords import Passwords
from app.crypto.probe_mac import HEADER, WINDOW, ProbeMacs
from tests.management.face import PASSWORD, Face, start_face, stop_face


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Face]:
    """An application whose limits are on."""
    made = start_face(tmp_path, rate_limits="on")
    yield made
    stop_face(made)


@pytest.mark.contract("`RATE_LIMITS=off`: the abuse limits, never the keys' own")
def test_after_twenty_failures_the_right_password_is_refused_too(limited: Face) -> None:
    username, other = limited.person("roles:read"), limited.person("roles:read")
    pat = limited.core.pat(username, "roles:read")[1]
    for _ in range(LIMIT.most):
        assert limited.me(username, "wrong").status_code == 401
    response = limited.me(username)
    assert response.status_code == 429 and response.content_type == "application/problem+json"
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert limited.me(username.upper()).status_code == 429
    assert limited.me(other).status_code == 200
    assert limited.call("GET", "/me", pat).status_code == 200
    limited.core.clock.advance(seconds=61)
    assert limited.me(username).status_code == 200


@pytest.mark.asvs("2.4.1")
def test_failures_count_on_all_nodes_together(limited: Face) -> None:
    username = limited.person("roles:read")
    settings, clock = limited.core.actions.settings, limited.core.clock
    others = [create_app(settings, clock).test_client() for _ in range(2)]
    for number in range(LIMIT.most):
        answer = others[number % 2].get("/api/v1/me", auth=(username, "wrong"))
        assert answer.status_code == 401
    assert [node.get("/api/v1/me", auth=(username, PASSWORD)).status_code for node in others] == [429, 429]
    assert limited.me(username).status_code == 429


def test_successes_do_not_count(limited: Face) -> None:
    username = limited.person("roles:read")
    assert {limited.me(username).status_code for _ in range(LIMIT.most + 5)} == {200}


@pytest.mark.contract("`RATE_LIMITS=off`: the abuse limits, never the keys' own")
def test_limits_can_be_off(face: Face) -> None:
    username = face.person("roles:read")
    assert {face.me(username, "wrong").status_code for _ in range(LIMIT.most + 5)} == {401}


@pytest.mark.asvs("6.3.1")
def test_every_failure_hashes_once_and_answers_alike(face: Face, admin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    disabled, known = face.person("roles:read"), face.person("roles:read")
    face.core.enable(disabled, False)
    face.create("/users", {"username": "without-password"}, admin)
    hashed: list[str | None] = []
    verify = Passwords.verify

    def count_and_verify(self: Passwords, kept: str | None, password: str) -> bool:
        hashed.append(kept)
        return verify(self, kept, password)

    monkeypatch.setattr(Passwords, "verify", count_and_verify)
    tries = [(known, "wrong"), (disabled, PASSWORD), ("without-password", ""), ("unknown", "x"), ("a b", "x"), ("", "")]
    answers = [face.me(*pair) for pair in tries]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}
    assert len(hashed) == len(tries)


@pytest.mark.asvs("11.4.2")
@pytest.mark.usefixtures("real_hashes")
def test_the_stand_in_hash_costs_what_a_real_one_does() -> None:
    real = Passwords().hash(PASSWORD)
    assert real.rsplit("$", 2)[0] == passwords.NO_HASH.rsplit("$", 2)[0]
    assert [len(part) for part in real.split("$")] == [len(part) for part in passwords.NO_HASH.split("$")]
    assert not Passwords().verify(None, PASSWORD)


@pytest.mark.asvs("6.2.8")
def test_letters_written_two_ways_are_one_password(face: Face, admin: str) -> None:
    face.create("/users", {"username": "accented", "password": "caf\u00e9 au lait s'il vous"}, admin)
    assert face.me("accented", "cafe\u0301 au lait s'il vous").status_code == 200


@pytest.mark.asvs("16.3.1")
def test_a_failure_is_traced_without_the_typed_text(own_face: Face) -> None:
    username = own_face.person("roles:read")
    own_face.me(username, "my other password")
    own_face.me("i typed my password here", "x")
    trace = own_face.call("GET", "/audit-events?action=authentication.fail", own_face.machine("manage"))
    unknown, known = (event["target"] for event in trace.json["items"][:2])
    assert known == own_face.core.row_id(username) and re.fullmatch(r"unknown-24-[0-9a-f]{16}", unknown)
    assert {event["actor_type"] for event in trace.json["items"]} == {"anonymous"}
    assert "password here" not in trace.text and "my other" not in trace.text


def test_only_the_servers_own_mark_hides_a_failure_of_its_throwaway_user(own_face: Face) -> None:
    def traces_of(username: str, mark: str) -> int:
        before = len(own_face.core.trace("authentication.fail"))
        answer = own_face.http.get("/api/v1/me", headers={HEADER: mark}, auth=(username, "a wrong password"))
        assert answer.status_code == 401
        return len(own_face.core.trace("authentication.fail")) - before

    admin = own_face.machine("manage")
    for username in ("compare-0123456789ab", "compare-other", "carol"):
        own_face.create("/users", {"username": username, "password": PASSWORD}, admin)
    ours, theirs = ProbeMacs(own_face.core.actions.settings.secret_keys), ProbeMacs(lambda: ["x" * 40])
    now = own_face.core.clock()
    mark = ours.compute("compare-0123456789ab", now)
    assert traces_of("compare-0123456789ab", mark) == 0
    assert traces_of("compare-other", mark) == traces_of("carol", mark) == 1
    assert traces_of("carol", ours.compute("carol", now)) == traces_of("nobody", ours.compute("nobody", now)) == 1
    late = ours.compute("compare-other", now - timedelta(seconds=2 * WINDOW))
    for other in (theirs.compute("compare-other", now), late, "", mark[:-1], "\xff", "0" * 9_999):
        assert traces_of("compare-other", other) == 1, other


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !", "Basic YQ==", "Basic /w==", "Basic " + "A" * 9999, "Basic  YTpi x"]
)
def test_a_malformed_header_is_refused_cleanly(face: Face, header: str) -> None:
    response = face.call("GET", "/me", headers={"Authorization": header})
    assert response.status_code == 401
    assert response.headers.getlist("WWW-Authenticate")[0] == 'Basic realm="latchkey", charset="UTF-8"'


def test_ones_own_token_holds_what_the_roles_give(face: Face) -> None:
    username = face.person("roles:read", "orders:read")
    body = {"name": "mine", "scopes": ["roles:read"]}
    made = face.me(username, path="/personal-access-tokens", method="POST", json=body)
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    assert face.call("GET", "/roles", made.json["token"]).status_code == 200
    missing = face.me(username, path="/personal-access-tokens", method="POST", json=body | {"scopes": ["manage"]})
    assert missing.status_code == 422 and "manage" in missing.text


def test_a_use_of_a_token_is_noted(face: Face, admin: str) -> None:
    username = face.person("roles:read")
    view, token = face.core.pat(username, "roles:read")
    assert face.call("GET", "/me", token).status_code == 200
    face.core.actions.usage.flush()
    path = f"/users/{face.core.row_id(username)}/personal-access-tokens/{view.id}"
    assert face.call("GET", path, admin).json["last_used_at"] == "2030-01-01T12:00:00.750000Z"
