"""Second factors below every interface: codes, recovery codes and passkeys, each used once, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pyotp
import pytest
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR, Actor, anonymous
from app.actions.directory.second_factors import SecondFactors
from app.actions.sign_in.passkeys import MOST, Ceremony, PasskeyAnswer, Passkeys
from app.errors import Conflict, Forbidden, Invalid, LatchkeyError, NotFound, TooManyRequests, Unauthenticated
from app.models import OneTimeCode, RecoveryCode, SpentChallenge, UserSession
from tests.authenticator import USER_PRESENT, Authenticator
from tests.core import Core

pytestmark = pytest.mark.both_databases
NOBODY = anonymous("192.0.2.1", None)
HERE = "a session"


@pytest.fixture
def alice(core: Core) -> Actor:
    return Actor("user", core.row_id("alice"), "alice", address="192.0.2.1")


@pytest.fixture
def factors(core: Core) -> SecondFactors:
    return core.actions.second_factors


def set_up_app(core: Core, who: Actor) -> pyotp.TOTP:
    """Add an app; its first code belongs to the present step."""
    factors = core.actions.second_factors
    sealed = factors.one_time_codes.make()
    app = pyotp.TOTP(factors.one_time_codes.reveal(sealed) or "")
    factors.add_app(who, sealed, app.at(core.clock()), HERE)
    return app


def set_up_passkey(core: Core, who: Actor, **false: object) -> Authenticator:
    """Add a passkey, whose authenticator says something false where a test tells it to."""
    factors = core.actions.second_factors
    made = Authenticator("https://login.example", "login.example")
    for name, value in false.items():
        setattr(made, name, value)
    asked = factors.ask_for_new_passkey(who, "Alice")
    factors.add_passkey(who, "phone", answered(core, asked, made.make(asked.options)), HERE)
    return made


def answered(core: Core, asked: Ceremony, credential: str) -> PasskeyAnswer:
    return PasskeyAnswer(credential, asked.challenge, core.clock() + timedelta(minutes=10))


def use(core: Core, made: Authenticator, who: Actor = NOBODY) -> str:
    asked = core.actions.second_factors.ask_for_passkey(who.id if who.type == "user" else None)
    return core.actions.second_factors.use_passkey(who, answered(core, asked, made.use(asked.options)))


def at_once(*works: Callable[[], object]) -> list[object]:
    """Do all of this together; return what each returned, or the refusal it met."""
    together = Barrier(len(works))

    def begin(work: Callable[[], object]) -> object:
        together.wait(10)
        try:
            return work()
        except LatchkeyError as refusal:
            return refusal

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(begin, works))


@pytest.mark.asvs("6.5.5")
@pytest.mark.contract("a one-time code works once, one step early or late")
@pytest.mark.parametrize("seconds", [-30, 0, 30])
def test_a_code_is_accepted_one_step_early_or_late_and_once(
    core: Core, alice: Actor, factors: SecondFactors, seconds: int
) -> None:
    app = set_up_app(core, alice)
    core.clock.advance(minutes=5)
    code = app.at(core.clock() + timedelta(seconds=seconds))
    factors.use_code(alice, f" {code[:3]} {code[3:]} ")
    with pytest.raises(Unauthenticated):  # RFC 6238 §5.2
        factors.use_code(alice, code)
    assert core.trace("authentication.fail")[-1].details["by"] == "one-time code"


@pytest.mark.parametrize("seconds", [-90, -60, 60, 90])
def test_a_code_further_away_is_refused(core: Core, alice: Actor, factors: SecondFactors, seconds: int) -> None:
    app = set_up_app(core, alice)
    core.clock.advance(minutes=5)
    with pytest.raises(Unauthenticated):
        factors.use_code(alice, app.at(core.clock() + timedelta(seconds=seconds)))


def test_the_code_that_sets_an_app_up_and_an_earlier_one_are_refused_afterwards(
    core: Core, alice: Actor, factors: SecondFactors
) -> None:
    app = set_up_app(core, alice)
    for code in (app.at(core.clock()), app.at(core.clock() - timedelta(seconds=30))):
        with pytest.raises(Unauthenticated):
            factors.use_code(alice, code)
    factors.use_code(alice, app.at(core.clock() + timedelta(seconds=30)))


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "１２３４５６", "abcdef", "9" * 10_000, "\0\0\0\0\0\0", "-12345"]
)
def test_what_is_no_code_is_refused(core: Core, alice: Actor, factors: SecondFactors, code: str) -> None:
    set_up_app(core, alice)
    with pytest.raises(Unauthenticated):
        factors.use_code(alice, code)


@pytest.mark.asvs("6.5.1")
def test_of_two_uses_of_one_code_at_once_one_succeeds(core: Core, alice: Actor, factors: SecondFactors) -> None:
    app = set_up_app(core, alice)
    core.clock.advance(minutes=1)
    code = app.at(core.clock())
    outcomes = at_once(*[lambda: factors.use_code(alice, code)] * 4)
    assert [isinstance(one, Unauthenticated) for one in outcomes].count(False) == 1


@pytest.mark.asvs("11.4.2")
def test_the_secret_of_an_app_is_kept_encrypted_and_only_once_it_is_confirmed(
    core: Core, alice: Actor, factors: SecondFactors
) -> None:
    sealed = factors.one_time_codes.make()
    secret = factors.one_time_codes.reveal(sealed) or ""
    with pytest.raises(Invalid):
        factors.add_app(alice, sealed, "000000", HERE)
    with pytest.raises(Invalid):
        factors.add_app(alice, "not sealed by us", "000000", HERE)
    assert not factors.has(alice.id)
    factors.add_app(alice, sealed, pyotp.TOTP(secret).at(core.clock()), HERE)
    with core.store.reading() as session:
        kept = session.scalars(select(OneTimeCode)).one()
    assert secret.encode() not in kept.sealed_secret and secret not in repr(kept)
    assert not any(secret in str(event.details) for event in core.trace())


@pytest.mark.asvs("6.5.1", "6.5.2", "6.5.3")
@pytest.mark.contract("ten recovery codes, each works once")
def test_each_recovery_code_works_once(core: Core, alice: Actor, factors: SecondFactors) -> None:
    sealed = factors.one_time_codes.make()
    app = pyotp.TOTP(factors.one_time_codes.reveal(sealed) or "")
    codes = factors.add_app(alice, sealed, app.at(core.clock()), HERE)
    assert len(set(codes)) == 10
    assert factors.use_recovery_code(alice, codes[0].upper().replace("-", " ")) == 9
    with pytest.raises(Unauthenticated):
        factors.use_recovery_code(alice, codes[0])
    with core.store.reading() as session:
        kept = session.scalars(select(RecoveryCode.digest)).all()
    assert not any(code in digest for code in codes for digest in kept)
    assert core.trace("user.recovery_codes.use")[-1].details["left"] == 9


def test_new_recovery_codes_end_the_earlier_ones(core: Core, alice: Actor, factors: SecondFactors) -> None:
    with pytest.raises(Conflict):
        factors.make_recovery_codes(alice)
    set_up_app(core, alice)
    earlier = factors.make_recovery_codes(alice)
    later = factors.make_recovery_codes(alice)
    with pytest.raises(Unauthenticated):
        factors.use_recovery_code(alice, earlier[0])
    assert factors.use_recovery_code(alice, later[0]) == 9


def test_a_recovery_code_of_another_user_is_refused(core: Core, alice: Actor, factors: SecondFactors) -> None:
    core.user("bob")
    bob = Actor("user", core.row_id("bob"), "bob")
    set_up_app(core, alice)
    set_up_app(core, bob)
    with pytest.raises(Unauthenticated):
        factors.use_recovery_code(alice, factors.make_recovery_codes(bob)[0])


@pytest.mark.asvs("6.5.1")
def test_of_two_uses_of_one_recovery_code_at_once_one_succeeds(
    core: Core, alice: Actor, factors: SecondFactors
) -> None:
    set_up_app(core, alice)
    code = factors.make_recovery_codes(alice)[0]
    outcomes = at_once(*[lambda: factors.use_recovery_code(alice, code)] * 4)
    assert [isinstance(one, Unauthenticated) for one in outcomes].count(False) == 1
    assert factors.of_user(alice.id).recovery_codes == 9


@pytest.mark.asvs("6.3.1")
def test_guesses_at_a_code_are_limited_and_do_not_touch_recovery_codes(
    core: Core, alice: Actor, factors: SecondFactors
) -> None:
    app = set_up_app(core, alice)
    codes = factors.make_recovery_codes(alice)
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            factors.use_code(alice, "000000")
    core.clock.advance(seconds=60)
    with pytest.raises(TooManyRequests):
        factors.use_code(alice, app.at(core.clock()))
    assert len(core.trace("authentication.limited")) == 1
    assert factors.use_recovery_code(alice, codes[0]) == 9
    core.clock.advance(seconds=300)
    factors.use_code(alice, app.at(core.clock()))


def test_the_guesses_of_a_day_are_limited_whatever_the_address(
    core: Core, alice: Actor, factors: SecondFactors
) -> None:
    app = set_up_app(core, alice)
    for number in range(50):
        with pytest.raises(Unauthenticated):
            factors.use_code(Actor("user", alice.id, "alice", address=f"192.0.2.{number}"), "000000")
        core.clock.advance(seconds=31)
    core.clock.advance(seconds=301)
    with pytest.raises(TooManyRequests):
        factors.use_code(alice, app.at(core.clock()))


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
    outcomes = at_once(*[lambda one=one: factors.use_passkey(NOBODY, one) for one in answers])  # type: ignore[misc]
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
def test_what_is_no_answer_is_refused(core: Core, alice: Actor, factors: SecondFactors, credential: str) -> None:
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


def test_the_first_factor_ends_the_other_sign_ins(core: Core, alice: Actor) -> None:
    sessions = core.actions.sessions
    mine, other = sessions.begin(alice, "Firefox", methods=("pwd",)), sessions.begin(alice, "stolen", methods=("pwd",))
    factors = core.actions.second_factors
    sealed = factors.one_time_codes.make()
    app = pyotp.TOTP(factors.one_time_codes.reveal(sealed) or "")
    factors.add_app(alice, sealed, app.at(core.clock()), mine.id)
    assert sessions.use(other.secret, None, None) is None
    kept = sessions.use(mine.secret, None, None)
    assert kept is not None and kept.has_factor and not kept.must_confirm and kept.methods == ("pwd", "otp")


def test_removing_the_last_factor_ends_the_recovery_codes(core: Core, alice: Actor, factors: SecondFactors) -> None:
    set_up_app(core, alice)
    factors.remove_app(alice)
    assert not factors.of_user(alice.id) and core.count(RecoveryCode) == 0
    with pytest.raises(NotFound):
        factors.remove_app(alice)
    with pytest.raises(NotFound):
        factors.remove_passkey(alice, "psk_unknown")


@pytest.mark.asvs("6.4.4")
@pytest.mark.contract("an operator resets lost second factors; the sign-ins end")
def test_an_operator_resets_the_factors_of_a_user(core: Core, alice: Actor, factors: SecondFactors) -> None:
    set_up_app(core, alice)
    set_up_passkey(core, alice)
    core.actions.sessions.begin(alice, "Firefox", methods=("pwd", "otp"))
    factors.reset(OPERATOR, alice.id)
    assert not factors.has(alice.id) and core.count(UserSession) == core.count(RecoveryCode) == 0
    assert core.trace("user.factor.reset")[-1].actor_type == "operator"
    with pytest.raises(NotFound):
        factors.reset(OPERATOR, alice.id)


def test_neither_a_delegate_nor_the_user_resets_factors(core: Core, alice: Actor, factors: SecondFactors) -> None:
    set_up_app(core, alice)
    for actor in (Actor("user", "usr_x", "x", delegated=True), alice):
        with pytest.raises(Forbidden):
            factors.reset(actor, alice.id)
    with pytest.raises(Forbidden):
        factors.make_recovery_codes(Actor("user", alice.id, "alice", delegated=True))
    assert factors.has(alice.id)
