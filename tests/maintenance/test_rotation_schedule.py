"""Signing keys are rotated when due: once, by any number of nodes, and without blocking a signature."""

import logging
import threading
from pathlib import Path

import jwt
import pytest
from sqlalchemy.exc import OperationalError

from app.actions.audit.actor import OPERATOR
from app.crypto.signing import RETIRING, SigningKeys
from app.errors import BadSettings, Conflict
from app.maintenance.rotation_schedule import RotationSchedule
from tests.core import Core, start_core
from tests.databases import Database

pytestmark = pytest.mark.both_databases

EVERY, AHEAD = 90 * 86_400, 600  # seconds: the defaults
OTHER = "another secret key of enough length!"


@pytest.fixture
def keeper(core: Core) -> Core:
    """A core whose keys have turned once: the next one was published now, and not with the active one."""
    core.clock.advance(seconds=1)
    core.actions.rotate_signing_key(OPERATOR)
    return core


def kids(core: Core) -> dict[str, str]:
    return {view.status: view.kid for view in core.actions.rotate_signing_key.list() if view.status != "retiring"}


def signed_by(core: Core) -> str:
    return str(jwt.get_unverified_header(core.m2m("robot", "orders:read"))["kid"])


@pytest.mark.contract(
    "a key is published before it signs, the first turn, and one by hand that does not ask for it, apart"
)
def test_a_key_signs_only_when_every_cache_can_hold_it(keeper: Core) -> None:
    coming = kids(keeper)["next"]
    keeper.clock.advance(seconds=AHEAD - 1)
    with pytest.raises(Conflict, match="wait until 2030-"):
        keeper.actions.rotate_signing_key(OPERATOR, only_when_known=True)
    assert kids(keeper)["next"] == coming
    keeper.clock.advance(seconds=1)
    assert keeper.actions.rotate_signing_key(OPERATOR, only_when_known=True).kid == coming == signed_by(keeper)


@pytest.mark.contract(
    "a key is published before it signs, the first turn, and one by hand that does not ask for it, apart"
)
def test_the_first_turn_need_not_wait_for_nobody_knows_the_one_key_without_the_other(core: Core) -> None:
    core.clock.advance(seconds=1)
    assert core.actions.rotate_signing_key(OPERATOR, only_when_known=True).status == "active"


@pytest.mark.contract(
    "a key is published before it signs, the first turn, and one by hand that does not ask for it, apart"
)
def test_asked_for_without_more_it_signs_at_once(keeper: Core) -> None:
    coming = kids(keeper)["next"]
    assert keeper.actions.rotate_signing_key(OPERATOR).kid == coming == signed_by(keeper)


@pytest.mark.asvs("11.1.1")
@pytest.mark.contract(
    "signing keys rotate by hand and by schedule under load: no request fails, one of the nodes does it"
)
def test_a_key_that_signed_for_long_enough_turns_by_itself(keeper: Core) -> None:
    coming, rotate = kids(keeper)["next"], keeper.actions.rotate_signing_key
    keeper.clock.advance(seconds=EVERY - 1)
    assert not rotate.when_due() and kids(keeper)["next"] == coming
    keeper.clock.advance(seconds=1)
    assert rotate.when_due() and signed_by(keeper) == coming
    assert not rotate.when_due(), "it is not due again"
    assert keeper.trace("signing_key.rotate")[-1].actor_type == "server"


@pytest.mark.contract(
    "signing keys rotate by hand and by schedule under load: no request fails, one of the nodes does it"
)
def test_of_many_who_find_it_due_one_turns_it(keeper: Core) -> None:
    keeper.clock.advance(seconds=EVERY)
    turned: list[bool] = []
    looking = threading.Barrier(6)

    def look() -> None:
        looking.wait()
        turned.append(keeper.actions.rotate_signing_key.when_due())

    threads = [threading.Thread(target=look) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(turned) == [False] * 5 + [True]


def test_by_hand_only_nothing_turns_by_itself(tmp_path: Path, blank_database: Database) -> None:
    blank_database.copy_to(tmp_path)
    core = start_core(tmp_path, signing_key_rotation=0)
    before = threading.active_count()
    RotationSchedule(core.actions.rotate_signing_key, 0).start()
    assert threading.active_count() == before
    core.clock.advance(days=4000)
    assert not core.actions.rotate_signing_key.when_due()
    core.store.dispose()


@pytest.mark.contract("a database that takes no writes stops no signature; no key is active that cannot be opened")
def test_a_database_that_takes_no_writes_stops_no_signature(
    keeper: Core, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def read_only() -> None:
        raise OperationalError("BEGIN", None, Exception("attempt to write a readonly database"))

    active, schedule = kids(keeper)["active"], RotationSchedule(keeper.actions.rotate_signing_key, EVERY)
    keeper.clock.advance(seconds=EVERY)
    assert signed_by(keeper) == active  # and the index of its status is written
    with monkeypatch.context() as broken, caplog.at_level(logging.WARNING):
        broken.setattr(keeper.store, "transaction", read_only)
        schedule.rotate_if_due()
        assert "could not be rotated" in caplog.text
        assert signed_by(keeper) == active
    schedule.rotate_if_due()
    assert signed_by(keeper) != active, "it is made up for as soon as it can be"


def test_the_thread_looks_and_stops(keeper: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()
    schedule = RotationSchedule(keeper.actions.rotate_signing_key, 1)
    monkeypatch.setattr(schedule, "rotate_if_due", looked.set)
    schedule.start()
    assert looked.wait(10)
    schedule.stop()


@pytest.mark.contract("a database that takes no writes stops no signature; no key is active that cannot be opened")
def test_a_key_that_this_node_cannot_open_never_becomes_active(keeper: Core) -> None:
    """As when another node seals with a SECRET_KEY that this one does not have."""
    stranger, active = SigningKeys(OTHER), kids(keeper)["active"]
    with keeper.store.transaction() as session:
        theirs = stranger._new("retiring", keeper.clock())
        session.add(theirs)
    keeper.database.execute(
        "UPDATE signing_key SET sealed_private_key = (SELECT sealed_private_key FROM signing_key WHERE kid = :kid) "
        "WHERE state = 'next'",
        kid=theirs.kid,
    )
    keeper.clock.advance(seconds=EVERY)
    with pytest.raises(Conflict, match="SECRET_KEY does not open"):
        keeper.actions.rotate_signing_key(OPERATOR)
    RotationSchedule(keeper.actions.rotate_signing_key, EVERY).rotate_if_due()
    assert signed_by(keeper) == active


@pytest.mark.asvs("11.2.2")
@pytest.mark.contract("SECRET_KEY is replaced on two nodes in four steps under load; then the old one opens nothing")
def test_keys_sealed_under_a_previous_secret_key_open_until_all_are_resealed(keeper: Core) -> None:
    both, alone = SigningKeys(lambda: [OTHER, "k" * 40]), SigningKeys(OTHER)
    with keeper.store.transaction() as session:
        both.check_seal(session)
        assert both.sealed_before(session) == 3
        with pytest.raises(BadSettings):
            alone.check_seal(session)
        with pytest.raises(BadSettings):
            alone.reseal(session)
        assert (both.reseal(session), both.reseal(session)) == (3, 0)
        alone.check_seal(session)
        alone.sign(session, {})
        with pytest.raises(BadSettings):
            SigningKeys("k" * 40).check_seal(session)


@pytest.mark.contract("what a retired key signed has ended")
def test_a_retired_keys_tokens_have_all_ended(keeper: Core) -> None:
    token = keeper.m2m("robot", "orders:read")
    keeper.actions.rotate_signing_key(OPERATOR)
    assert keeper.active(token)
    keeper.clock.now += RETIRING
    assert not keeper.active(token)
