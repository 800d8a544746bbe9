"""The clock is set back and ahead. What holds: a credential is judged by the clock, so one whose `exp` lies ahead again
is active again; what a person ended never is; and no limit, key or kept answer outlives its time by more than a step of
the clock can explain."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine

import app
from app.actions.audit.actor import OPERATOR, Actor
from app.actions.directory.lifetime import AskedLifetime
from app.actions.limits.abuse import PASSWORD, AbuseLimits
from app.actions.limits.storage import SKEW, DatabaseLimiter, RedisLimiter
from app.actions.limits.windows import Limiter
from app.crypto.revoked_jwts import MAX_CLOCK_ERROR
from app.crypto.signing import RETIRING
from app.oauth.private_key_jwt import REMEMBERED
from tests.core import START, STOCK, contents
from tests.oauth.wire import Wire, start_wire, stop_wire
from tests.ports import free_port

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def wire(tmp_path: Path) -> Iterator[Wire]:
    made = start_wire(tmp_path)
    yield made
    stop_wire(made)


def each_kind(wire: Wire, name: str) -> dict[str, str]:
    """Issue one of each, that ends within the hour."""
    core = wire.core
    pat = core.pat("alice", "orders:read", name=name, lifetime=AskedLifetime(expires_in=3600))[1]
    key = core.key(expires_at=core.clock() + HOUR)[1]
    return {
        "pat": pat,
        "key": key,
        "m2m": core.m2m("robot", "orders:read"),
        "exchanged pat": core.exchange(pat),
        "exchanged key": core.exchange(key),
    }


def active(wire: Wire, tokens: dict[str, str]) -> set[str]:
    """Ask about each twice, over both lanes and what they keep."""
    twice = [{name for name, one in tokens.items() if wire.introspect(one, wire.shop)["active"]} for _ in range(2)]
    assert twice[0] == twice[1]
    return twice[0]


@pytest.mark.asvs("16.5.3")
@pytest.mark.contract("the clock set back and ahead")
@pytest.mark.spec("RFC 7662 §2.2")
@pytest.mark.parametrize("step", [2 * HOUR, 20 * DAY])
def test_what_was_revoked_is_so_whatever_the_clock_does(wire: Wire, step: timedelta) -> None:
    live, ended = each_kind(wire, "live"), each_kind(wire, "ended")
    assert active(wire, live) == set(live)
    wire.revoke(ended["m2m"], wire.robot)
    for name in ("exchanged pat", "exchanged key", "pat", "key"):
        wire.revoke(ended[name])
    wire.core.clock.now = START + step
    assert active(wire, live | ended) == set()  # ahead: kept answers have ended with their tokens
    wire.revoke(wire.core.m2m("robot", "orders:read"), wire.robot)  # sweeps what seems to be over
    wire.core.clock.now = START
    assert active(wire, ended) == set()
    assert active(wire, live) == set(live)
    wire.core.clock.now = START - step
    assert active(wire, ended) == set()


@pytest.mark.contract("the clock set back and ahead")
def test_what_is_revoked_while_the_clock_is_behind_stays_so(wire: Wire) -> None:
    wire.core.clock.now = START + 10 * DAY
    token = wire.core.m2m("robot", "orders:read")
    wire.core.clock.now = START
    assert active(wire, {"m2m": token}) == set()  # it was issued in the future
    wire.revoke(token, wire.robot)
    wire.core.clock.now = START + 9 * DAY
    wire.revoke(wire.core.m2m("robot", "orders:read"), wire.robot)
    assert active(wire, {"m2m": token}) == set()
    assert timedelta(days=10) < MAX_CLOCK_ERROR


@pytest.mark.contract("the clock set back and ahead")
@pytest.mark.spec("RFC 7523 §3")
@pytest.mark.parametrize("step", [2 * HOUR, 20 * HOUR])
def test_a_used_assertion_is_used_whatever_the_clock_does(wire: Wire, step: timedelta) -> None:
    assert step < REMEMBERED
    used = wire.assertion()
    assert wire.token(**used).status_code == 200
    wire.core.clock.now = START + step
    assert wire.token(**wire.assertion()).status_code == 200  # sweeps what seems to be over
    wire.core.clock.now = START
    assert wire.token(**used).status_code == 401


@pytest.mark.contract("the clock set back and ahead")
@pytest.mark.spec("RFC 9068 §2.2")
def test_no_token_says_that_it_was_issued_later_than_the_clock_says_it_is(wire: Wire) -> None:
    for step in (timedelta(), 2 * HOUR, -2 * HOUR, -DAY, timedelta()):
        wire.core.clock.now = START + step
        token = wire.token(wire.robot).json["access_token"]  # the very same question, over what is kept
        claims, now = contents(token), int(wire.core.clock().timestamp())
        assert claims["iat"] == now and claims["exp"] == now + 3600
        assert active(wire, {"m2m": token}) == {"m2m"}


@pytest.mark.contract("the clock set back and ahead")
def test_a_kept_yes_ends_with_a_step_ahead_and_none_is_kept_of_it(wire: Wire) -> None:
    token = each_kind(wire, "kept")["pat"]
    assert active(wire, {"pat": token})
    assert wire.ask(Authorization=f"Bearer {token}").status_code == 200
    wire.core.clock.advance(hours=1)
    assert active(wire, {"pat": token}) == set()
    assert wire.ask(Authorization=f"Bearer {token}").status_code == 401


@pytest.mark.contract("the clock set back and ahead")
@pytest.mark.spec("RFC 7517 §5")
def test_a_key_is_published_until_the_last_token_it_signed_has_ended(wire: Wire) -> None:
    def kids() -> set[str]:
        return {key["kid"] for key in wire.http.get("/.well-known/jwks.json").get_json()["keys"]}

    token, before = wire.core.m2m("robot", "stock:read", STOCK), kids()
    wire.core.actions.rotate_signing_key(OPERATOR)
    for step, there in ((RETIRING - timedelta(seconds=1), True), (RETIRING, False), (-DAY, True), (timedelta(), True)):
        wire.core.clock.now = START + step
        assert (before <= kids()) == there, step
    assert active(wire, {"m2m": token}) == set()  # another's audience
    assert wire.introspect(token, wire.stockist)["active"]


@pytest.mark.contract("the clock set back and ahead")
def test_a_session_that_was_ended_does_not_come_back(wire: Wire) -> None:
    sessions, alice = wire.core.actions.sessions, Actor("user", wire.core.row_id("alice"))
    kept, ended = (sessions.begin(alice, "a browser") for _ in range(2))
    sessions.end(alice, alice.id, ended.id)
    for step in (DAY - HOUR, -3 * DAY, timedelta()):
        wire.core.clock.now = START + step
        assert sessions.use(ended.secret, None, None) is None
        assert sessions.use(kept.secret, None, None) is not None
    wire.core.clock.now = START + 40 * DAY
    assert sessions.use(kept.secret, None, None) is None


@pytest.mark.contract("the clock set back and ahead")
def test_a_spent_limit_blocks_nobody_for_longer_than_a_window_after_a_step_back(wire: Wire) -> None:
    limiter = DatabaseLimiter(wire.core.store, wire.core.clock)
    spend(limiter)
    wire.core.clock.now = START - timedelta(seconds=SKEW - 1)  # as another node's clock may stand
    assert not limiter.look("k", 2, 60).admitted and not limiter.hit("k", 2, 60).admitted
    wire.core.clock.now = START - 3 * DAY
    assert limiter.look("k", 2, 60).admitted
    seen = [limiter.hit("k", 2, 60) for _ in range(3)]
    assert [window.admitted for window in seen] == [True, True, False]
    assert seen[-1].reset_seconds == 60


def test_nor_does_what_a_process_remembers_of_guesses(wire: Wire) -> None:
    limits = AbuseLimits(DatabaseLimiter(wire.core.store, wire.core.clock), wire.core.clock, on=True)
    guessed = PASSWORD.of("alice", "192.0.2.1")
    for _ in range(PASSWORD.most):
        assert not limits.count(guessed).wait
    assert limits.wait(guessed) == limits.count(guessed).wait == PASSWORD.window_seconds
    wire.core.clock.now = START - 3 * DAY
    assert not limits.wait(guessed) and not limits.count(guessed).wait


def test_nor_does_one_that_is_kept_in_memory() -> None:
    with time_machine.travel(START, tick=False) as clock:
        limiter = RedisLimiter(f"redis://127.0.0.1:{free_port()}/0")
        spend(limiter)
        clock.move_to(START - 3 * DAY)
        assert limiter.look("k", 2, 60).admitted
        assert [limiter.hit("k", 2, 60).admitted for _ in range(3)] == [True, True, False]


def spend(limiter: Limiter) -> None:
    assert [limiter.hit("k", 2, 60).admitted for _ in range(3)] == [True, True, False]


@pytest.mark.contract("the clock set back and ahead")
def test_nobody_waits_by_a_clock_that_can_be_set() -> None:
    """Where the wall clock is read, but for the one that is handed in, it is for output or storage."""
    root = Path(app.__file__).parent
    readers = {str(path.relative_to(root)) for path in root.rglob("*.py") if reads_wall_clock(path)}
    told = {"database/types.py", "crypto/status_list.py", "fast_lane/lane.py", "http/envelope.py"}
    told |= {
        "comparison/local.py",
        "comparison/probes.py",
        "comparison/specimens.py",
        "operations/telemetry/metrics.py",
    }
    judged = {"clock.py", "actions/limits/storage.py", "resource_server/configuration.py"}
    judged |= {
        "maintenance/doctor.py",
        "cli/doctor.py",
        "cli/secret_keys.py",
        "settings/settings.py",
    }  # what an operator set
    assert readers <= told | judged, readers - told - judged


def reads_wall_clock(path: Path) -> bool:
    called = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    return any(ast.unparse(node) in ("time.time", "time.time_ns", "datetime.now") for node in called)
