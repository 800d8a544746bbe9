"""The device authorization grant (RFC 8628): codes, answers, polls and the limit on guessing."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.actions.delegation.app_tokens import AppTokens
from app.actions.delegation.devices import DeviceCodes
from app.actions.limits.abuse import USER_CODES
from app.errors import (
    AccessDenied,
    AuthorizationPending,
    DeviceCodeExpired,
    InvalidGrant,
    InvalidScope,
    InvalidTarget,
    NotFound,
    SlowDown,
    TooManyRequests,
)
from tests.actions.delegation.world import AppWorld
from tests.core import STOCK

pytestmark = pytest.mark.both_databases


def begin(world: AppWorld, scope: str | None = "orders:read", *resources: str) -> DeviceCodes:
    return world.core.actions.devices.begin(world.caller, world.app, scope, resources)


def poll(world: AppWorld, codes: DeviceCodes) -> AppTokens:
    return world.core.actions.devices.poll(world.caller, world.app, codes.device_code)


@pytest.mark.contract("devices: user codes of consonants, polls that slow down, guessing limited")
def test_the_user_agrees_and_the_device_gets_tokens_once(world: AppWorld) -> None:
    codes = begin(world)
    assert re.fullmatch("[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", codes.user_code)
    asked = world.core.actions.devices.question(world.user, codes.user_code.lower().replace("-", " "))
    assert [one.name for one in asked.question.scopes] == ["orders:read"]
    world.core.actions.devices.allow(world.user, codes.user_code, {"orders:read"})
    claims = world.verify(poll(world, codes))
    assert claims is not None
    assert (claims.username, str(claims.scopes)) == ("ann", "orders:read")
    with pytest.raises(InvalidGrant):
        poll(world, codes)


@pytest.mark.contract("devices: user codes of consonants, polls that slow down, guessing limited")
def test_polls_wait_and_slow_down(world: AppWorld) -> None:
    """RFC 8628 §3.5: each poll too early makes the interval five seconds longer."""
    codes, clock = begin(world), world.core.clock
    for seconds, error in ((0, AuthorizationPending), (4, SlowDown), (9, SlowDown), (14, SlowDown)):
        clock.advance(seconds=seconds)
        with pytest.raises(error):
            poll(world, codes)
    clock.advance(seconds=20)
    with pytest.raises(AuthorizationPending):
        poll(world, codes)
    with pytest.raises(SlowDown):
        poll(world, codes)


def test_a_refusal_is_access_denied(world: AppWorld) -> None:
    codes = begin(world)
    world.core.actions.devices.deny(world.user, codes.user_code)
    with pytest.raises(AccessDenied):
        poll(world, codes)
    with pytest.raises(NotFound):
        world.core.actions.devices.allow(world.user, codes.user_code, {"orders:read"})


def test_codes_expire_after_ten_minutes(world: AppWorld) -> None:
    codes = begin(world)
    world.core.clock.advance(minutes=10)
    with pytest.raises(DeviceCodeExpired):
        poll(world, codes)
    with pytest.raises(NotFound):
        world.core.actions.devices.question(world.user, codes.user_code)


def test_of_many_polls_at_once_one_gets_tokens(world: AppWorld) -> None:
    codes = begin(world)
    world.core.actions.devices.allow(world.user, codes.user_code, {"orders:read"})

    def attempt(_: int) -> AppTokens | None:
        try:
            return poll(world, codes)
        except InvalidGrant:
            return None

    with ThreadPoolExecutor(8) as pool:
        assert len([won for won in pool.map(attempt, range(24)) if won]) == 1


@pytest.mark.contract("devices: user codes of consonants, polls that slow down, guessing limited")
def test_guessing_user_codes_is_limited(world: AppWorld) -> None:
    """RFC 8628 §5.1."""
    codes = begin(world)
    for number in range(10):
        with pytest.raises(NotFound):
            world.core.actions.devices.question(world.user, f"BBBBBBB{'BCDFGHJKLM'[number]}")
    for guess in ("BBBBBBBB", codes.user_code):  # a guess that hits is refused as well
        with pytest.raises(TooManyRequests):
            world.core.actions.devices.question(world.user, guess)
    world.core.clock.advance(seconds=USER_CODES.window_seconds)
    assert world.core.actions.devices.question(world.user, codes.user_code).user_code == codes.user_code


@pytest.mark.parametrize(
    ("scope", "resources", "error"),
    [("unknown", (), InvalidScope), ("manage", (), InvalidScope), (None, ("https://nowhere.example",), InvalidTarget)],
)
def test_what_nobody_could_agree_to_is_refused_at_once(
    world: AppWorld, scope: str | None, resources: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        begin(world, scope, *resources)


def test_another_client_cannot_poll_for_it(world: AppWorld) -> None:
    world.core.client("other", method="none")
    other, codes = world.core.actions.authenticate_client.find("other"), begin(world, None, STOCK)
    world.core.actions.devices.allow(world.user, codes.user_code, {"stock:read"})
    with pytest.raises(InvalidGrant):
        world.core.actions.devices.poll(world.caller, other, codes.device_code)
    assert world.verify(poll(world, codes)) is not None


def test_requests_of_one_address_are_limited(world: AppWorld) -> None:
    for _ in range(60):
        begin(world)
    with pytest.raises(TooManyRequests):
        begin(world)
