"""Limits on failures: which queries they cause, and which results are remembered."""

import re
from pathlib import Path

import pytest

from app.actions.limits import abuse as abuse_limits
from app.actions.limits.abuse import CLIENT, CLIENTS_OF_ADDRESS, AbuseLimits, Limit, neighbourhood
from app.actions.limits.storage import DatabaseLimiter
from app.actions.limits.windows import Window
from tests.core import Core

pytestmark = pytest.mark.both_databases

LIMIT = Limit("tries", 2, 60)


class Asked:
    """A real limiter that notes what it is asked."""

    def __init__(self, core: Core) -> None:
        self._limiter = DatabaseLimiter(core.store, core.clock)
        self.keys: list[str] = []

    def hit(self, key: str, requests: int, window_seconds: int, amount: int = 1) -> Window:
        self.keys.append(key)
        return self._limiter.hit(key, requests, window_seconds, amount)

    def look(self, key: str, requests: int, window_seconds: int) -> Window:
        self.keys.append(key)
        return self._limiter.look(key, requests, window_seconds)


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "none"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str | None, place: str) -> None:
    assert neighbourhood(address) == place


def test_a_limit_is_spent_once_and_then_waits_until_the_window_ends(core: Core) -> None:
    limits, tries = AbuseLimits(DatabaseLimiter(core.store, core.clock), core.clock, on=True), LIMIT.of("a")
    counted = [limits.count(tries) for _ in range(4)]
    assert [(one.wait, one.spent) for one in counted] == [(0, False), (0, True), (60, False), (60, False)]
    core.clock.advance(seconds=59.5)
    assert limits.wait(tries) == limits.wait(LIMIT.of("b"), tries) == 1
    core.clock.advance(seconds=0.5)
    assert limits.wait(tries) == 0 and limits.count(tries).wait == 0


def test_a_spent_limit_causes_no_further_queries_and_later_counters_are_not_counted(core: Core) -> None:
    """Else an address that has to wait could fill the table with clients that it makes up."""
    asked = Asked(core)
    limits, address = AbuseLimits(asked, core.clock, on=True), LIMIT.of("address")
    for number in range(5):
        limits.count(address, CLIENT.of(f"client-{number}"))
    assert len(asked.keys) == 4
    assert limits.wait(address) and len(asked.keys) == 4


@pytest.mark.contract("a flood costs no write; its events and counters are bounded and contain no names")
def test_what_a_process_remembers_is_bounded(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(abuse_limits, "REMEMBERED", 3)
    asked = Asked(core)
    limits, once = AbuseLimits(asked, core.clock, on=True), Limit("once", 1, 60)
    for number in range(5):
        limits.count(once.of(str(number)))
    del asked.keys[:]
    assert [limits.wait(once.of(str(number))) for number in range(4, -1, -1)] == [60] * 5
    assert len(asked.keys) == 2, "the two that were spent first are asked for again"


def test_it_counts_nothing_when_it_is_off(core: Core) -> None:
    asked = Asked(core)
    limits = AbuseLimits(asked, core.clock, on=False)
    assert not any(limits.count(LIMIT.of("a")).wait for _ in range(5)) and not limits.wait(LIMIT.of("a"))
    assert asked.keys == []


def test_the_handbook_says_the_same_numbers() -> None:
    handbook = (Path(__file__).parents[3] / "instance" / "README.md").read_text(encoding="utf-8")
    table = handbook.split("\n## Guessing and floods")[1].split("\n\n")[1]
    said = re.findall(r"\| (\d+) \| (\d+) \|", table)
    limits = [one for one in vars(abuse_limits).values() if isinstance(one, Limit)]
    assert said == [(str(one.most), str(one.window_seconds)) for one in limits]
    assert CLIENTS_OF_ADDRESS in limits
