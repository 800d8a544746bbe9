"""Codes of apps and recovery codes below every interface: each used once, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import select

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.second_factors import SecondFactors
from app.actions.sign_in.one_time_codes import OneTimeCodes
from app.crypto.seal import Seal
from app.crypto.sealed_columns import reseal_columns, sealed_values
from app.errors import Conflict, Forbidden, Invalid, NotFound, TooManyRequests, Unauthenticated
from app.models import OneTimeCode, OutboxMessage, RecoveryCode, User, UserSession
from tests.core import Core
from tests.second_factors import HERE, at_once, set_up_app, set_up_passkey

pytestmark = pytest.mark.both_databases


@pytest.fixture
def alice(core: Core) -> Actor:
    return Actor("user", core.row_id("alice"), "alice", address="192.0.2.1")


@pytest.fixture
def factors(core: Core) -> SecondFactors:
    return core.actions.second_factors


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
def test_a_malformed_code_is_refused(core: Core, alice: Actor, factors: SecondFactors, code: str) -> None:
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


@pytest.mark.asvs("6.5.1", "6.5.2", "6.5.3", "6.5.4")
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


@pytest.mark.contract("an operator resets lost second factors; the sign-ins end")
def test_each_change_of_a_factor_is_a_notice_to_its_user(core: Core, alice: Actor, factors: SecondFactors) -> None:
    with core.store.transaction() as session:
        session.get_one(User, alice.id).email = "alice@example.org"
    factors._notices._mails = True
    mine = select(OutboxMessage.type).where(OutboxMessage.recipient == alice.id).order_by(OutboxMessage.id)

    def noticed() -> Sequence[str]:
        with core.store.reading() as session:
            return session.scalars(mine).all()

    set_up_app(core, alice)
    [code, *_] = factors.make_recovery_codes(alice)
    factors.use_recovery_code(alice, code)
    assert noticed() == ["second_factor.changed", "second_factor.changed", "recovery_code.used"]
    factors.reset(OPERATOR, alice.id)
    assert noticed()[3:] == ["second_factor.changed"]


def test_neither_a_delegate_nor_the_user_resets_factors(core: Core, alice: Actor, factors: SecondFactors) -> None:
    set_up_app(core, alice)
    for actor in (Actor("user", "usr_x", "x", delegated=True), alice):
        with pytest.raises(Forbidden):
            factors.reset(actor, alice.id)
    with pytest.raises(Forbidden):
        factors.make_recovery_codes(Actor("user", alice.id, "alice", delegated=True))
    assert factors.has(alice.id)


def test_an_app_works_after_the_secret_key_is_replaced(core: Core, alice: Actor) -> None:
    app = set_up_app(core, alice)
    former, core.clock.now = core.actions.settings.sealing_keys(), core.clock.now + timedelta(minutes=1)
    with core.store.transaction() as session:
        reseal_columns(session, Seal(lambda: ["n" * 40, *former]))
        assert all(Seal(lambda: ["n" * 40]).is_current(sealed) for sealed in sealed_values(session))
        assert OneTimeCodes(lambda: ["n" * 40]).spend(session, alice.id, app.at(core.clock()), core.clock())
