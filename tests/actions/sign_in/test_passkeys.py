"""Passkeys below every interface, by an authenticator that is honest or false, on both databases."""

from __future__ import annotations

import json

import pytest

from app.actions.audit.actor import Actor
from app.actions.directory.second_factors import SecondFactors
from app.actions.sign_in.passkeys import MOST, Passkeys
from app.errors import Conflict, Invalid, Unauthenticated
from app.models import SpentChallenge
from tests.authenticator import USER_PRESENT, Authenticator
from tests.core import Core
from tests.second_factors import HERE, NOBODY, answered, at_once, set_up_passkey, use

pytestmark = pytest.mark.both_databases


@pytest.fixture
def alice(core: Core) -> Actor:
    return Actor("user", core.row_id("alice"), "alice", address="192.0.2.1")


@pytest.fixture
def factors(core: Core) -> SecondFactors:
    return core.actions.second_factors


@pytest.mark.contract("a passkey is a second factor, and the whole sign-in")
def test_a_passkey_signs_its_user_in(core: Core, alice: Actor, factors: SecondFactors) -> None:
    made = set_up_passkey(core, alice)
    assert use(core, made) == alice.id and use(core, made, alice) == alice.id
    [kept] = factors.of_user(alice.id).passkeys
    assert kept.name == "phone" and kept.last_used_at == core.clock()


@pytest.mark.asvs("6.3.3")
def test_a_passkey_of_another_account_is_refused(core: Core, alice: Actor) -> None:
    core.user("bob")
    bob = Actor("user", core.row_id("bob"), "bob")
    set_up_passkey(core, alice)
    hers = set_up_passkey(core, bob)
    with pytest.raises(Unauthenticated):
        use(core, hers, alice)
    assert "another account" in core.trace("authentication.fail")[-1].details["reason"]


@pytest.mark.parametrize(
    "false",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://login.example"},
        {"origin": "https://login.example:8443"},
        {"rp_id": "evil.example"},
        {"rp_id": "example"},
        {"flags": USER_PRESENT},  # the user was not verified
        {"flags": 0},
        {"user_handle": "dXNyX290aGVy"},
        {"credential_id": b"unknown"},
        {"key": Authenticator("", "").key},
    ],
    ids=lambda false: str(next(iter(false.items())))[:40],
)
@pytest.mark.contract("a passkey for another origin, server, challenge or user is refused")
def test_a_false_answer_is_refused(core: Core, alice: Actor, false: dict[str, object]) -> None:
    made = set_up_passkey(core, alice)
    for name, value in false.items():
        setattr(made, name, value)
    with pytest.raises(Unauthenticated):
        use(core, made)
    assert core.count(SpentChallenge) == 1  # that of the registration


@pytest.mark.parametrize(
    "false",
    [{"origin": "https://evil.example"}, {"rp_id": "evil.example"}, {"flags": USER_PRESENT}],
    ids=["origin", "rp_id", "not verified"],
)
def test_a_false_new_passkey_is_refused(
    core: Core, alice: Actor, factors: SecondFactors, false: dict[str, object]
) -> None:
    with pytest.raises(Invalid):
        set_up_passkey(core, alice, **false)
    assert not factors.has(alice.id)


def test_a_challenge_is_used_once(core: Core, alice: Actor, factors: SecondFactors) -> None:
    made = set_up_passkey(core, alice)
    asked = factors.ask_for_passkey()
    factors.use_passkey(NOBODY, answered(core, asked, made.use(asked.options)))
    for replayed in (made.use(asked.options), made.use(asked.options)):
        with pytest.raises(Unauthenticated):
            factors.use_passkey(NOBODY, answered(core, asked, replayed))
    assert "used before" in core.trace("authentication.fail")[-1].details["reason"]


def test_an_answer_to_another_challenge_is_refused(core: Core, alice: Actor, factors: SecondFactors) -> None:
    made, asked, other = set_up_passkey(core, alice), factors.ask_for_passkey(), factors.ask_for_passkey()
    with pytest.raises(Unauthenticated):
        factors.use_passkey(NOBODY, answered(core, asked, made.use(other.options)))


def test_of_two_uses_of_one_challenge_at_once_one_succeeds(core: Core, alice: Actor, factors: SecondFactors) -> None:
    made, asked = set_up_passkey(core, alice), factors.ask_for_passkey()
    answers = [answered(core, asked, made.use(asked.options)) for _ in range(4)]
    outcomes = at_once(*[lambda one=one: factors.use_passkey(NOBODY, one) for one in answers])
    assert outcomes.count(alice.id) == 1


@pytest.mark.contract("a signature counter that goes back is refused and audited")
def test_a_counter_that_goes_back_is_refused_and_audited(core: Core, alice: Actor) -> None:
    made = set_up_passkey(core, alice)
    use(core, made)
    copy_of_it = made.count - 1
    use(core, made)
    made.count = copy_of_it
    with pytest.raises(Unauthenticated):
        use(core, made)
    [event] = core.trace("authentication.fail")
    assert event.target == alice.id and "counter went back" in event.details["reason"]


def test_a_passkey_without_a_counter_works_again_and_again(core: Core, alice: Actor) -> None:
    made = set_up_passkey(core, alice)
    for _ in range(3):
        made.count = -1  # so that it says 0, as synchronized passkeys do (WebAuthn §6.1.1)
        assert use(core, made) == alice.id


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "null",
        "[]",
        "{}",
        '{"id": 1}',
        '{"id": "\\u0000"}',
        "[" * 9_000,
        '{"a":' * 3_000,
        "x" * 100_000,
        json.dumps({"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "!"}}),
    ],
    ids=lambda credential: credential[:12],
)
def test_a_malformed_answer_is_refused(core: Core, alice: Actor, factors: SecondFactors, credential: str) -> None:
    set_up_passkey(core, alice)
    asked, new = factors.ask_for_passkey(), factors.ask_for_new_passkey(alice, "Alice")
    with pytest.raises(Unauthenticated):
        factors.use_passkey(NOBODY, answered(core, asked, credential))
    with pytest.raises(Invalid):
        factors.add_passkey(alice, "x", answered(core, new, credential), HERE)


def test_each_truncation_of_an_answer_is_refused(core: Core, alice: Actor, factors: SecondFactors) -> None:
    made = Authenticator("https://login.example", "login.example")
    asked = factors.ask_for_new_passkey(alice, "Alice")
    sent = json.loads(made.make(asked.options))
    whole = sent["response"]["attestationObject"]
    for length in range(0, len(whole), 7):
        sent["response"]["attestationObject"] = whole[:length]
        with pytest.raises(Invalid):
            factors.add_passkey(alice, "x", answered(core, asked, json.dumps(sent)), HERE)


def test_the_same_passkey_is_not_added_twice_and_known_ones_are_excluded(
    core: Core, alice: Actor, factors: SecondFactors
) -> None:
    made = set_up_passkey(core, alice)
    asked = factors.ask_for_new_passkey(alice, "Alice")
    [excluded] = json.loads(asked.options)["excludeCredentials"]
    assert excluded["id"] == json.loads(made.use("", "x"))["id"]
    with pytest.raises(Invalid):
        factors.add_passkey(alice, "again", answered(core, asked, made.make(asked.options)), HERE)


def test_what_a_browser_is_asked(core: Core, alice: Actor, factors: SecondFactors) -> None:
    new = json.loads(factors.ask_for_new_passkey(alice, "Alice").options)
    assert new["rp"]["id"] == "login.example" and new["attestation"] == "none"
    assert new["authenticatorSelection"]["residentKey"] == "preferred"
    assert new["authenticatorSelection"]["userVerification"] == "required"
    asked = json.loads(factors.ask_for_passkey().options)
    assert asked["userVerification"] == "required" and not asked.get("allowCredentials")


def test_passkeys_of_one_user_are_bounded(core: Core, alice: Actor, factors: SecondFactors) -> None:
    for _ in range(MOST):
        set_up_passkey(core, alice)
    with pytest.raises(Conflict):
        factors.ask_for_new_passkey(alice, "Alice")


@pytest.mark.parametrize(
    ("issuer", "available"),
    [
        ("https://login.example", True),
        ("http://localhost:8080", True),
        ("http://127.0.0.1:8080", False),
        ("http://[::1]:8080", False),
    ],
)
def test_passkeys_need_a_host_with_a_name(issuer: str, available: bool) -> None:
    assert Passkeys(issuer).available is available
