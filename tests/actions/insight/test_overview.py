"""Each number of the overview is the count of the list to which it leads, whatever state owners are in."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.lifetime import AskedLifetime
from app.models.grant_types import AUTHORIZATION_CODE
from tests.core import START, Core

pytestmark = pytest.mark.both_databases

DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
LIFETIMES = (6, 7, 8, 200)  # days
MOMENTS = [
    START + days * DAY + tick for days in (0, 1, 6, 7, 89, 90, 100, 193, 358) for tick in (-TICK, 0 * TICK, TICK)
]
NUMBERS = ("live", "ending", "unused")


@pytest.fixture
def mixed(core: Core) -> Core:
    """Of each kind live, revoked and disabled ones, of enabled and disabled owners, with several lifetimes."""
    apps: dict[str, Any] = {"grant_types": [AUTHORIZATION_CODE], "redirect_uris": ["https://app.example/cb"]}
    core.user("off", "clerk")
    for name in ("planner", "planner-off"):
        core.app(name)
    core.client("robot-off", "worker")
    core.client("app-with-secret", **apps)
    core.client("key-alone", "worker", method="private_key_jwt")
    for user in ("alice", "off"):
        _make_tokens(core, user)
        for app in ("planner", "planner-off"):
            core.delegate(user, app, "orders:read")
    core.actions.apps.end_grant(OPERATOR, core.delegate("alice", "planner", "orders:read").grant_id)
    for days in LIFETIMES:
        for client in ("robot", "robot-off", "app-with-secret"):
            core.client_secret(client, name=str(days), expires_at=START + days * DAY)
        core.key(expires_at=START + days * DAY)
        core.key(expires_at=START + days * DAY, enabled=False)
    core.key()
    core.actions.api_keys.revoke(OPERATOR, core.key()[0].id)
    for owner in ("off", "planner-off", "robot-off"):
        core.enable(owner, False)
    return core


def _make_tokens(core: Core, user: str) -> None:
    for days in LIFETIMES:
        core.pat(user, "orders:read", name=str(days), lifetime=AskedLifetime(expires_in=days * 86_400))
    ended = core.pat(user, "orders:read", name="ended")[0].id
    core.actions.personal_access_tokens.revoke(OPERATOR, core.row_id(user), ended)


def _compare(core: Core, at: datetime, seen: Counter[str]) -> None:
    core.clock.advance(seconds=(at - core.clock()).total_seconds())
    assert core.clock() == at
    lists = core.actions.overview.lists()
    for it in core.actions.overview.credentials():
        for name in NUMBERS:
            number, wanted = getattr(it, name), getattr(lists[it.kind], name)
            assert number in (None, core.actions.credentials.count(wanted)), f"{it.kind} {name} at {at}"
            seen[f"{it.kind} {name}"] += number or 0


@pytest.mark.contract("each number of the overview leads to the list that it counts")
def test_each_number_is_the_count_of_its_list_at_each_moment(mixed: Core) -> None:
    seen: Counter[str] = Counter()
    for at in MOMENTS:
        _compare(mixed, at, seen)
    kinds = ("personal_access_token", "api_key", "client_credentials", "oauth_token")
    assert {name for name, most in seen.items() if not most} == {"client_credentials unused"}
    assert seen.keys() == {f"{kind} {name}" for kind in kinds for name in NUMBERS}


def test_the_secrets_of_apps_that_end_soon_count_too(core: Core) -> None:
    core.client("app", grant_types=[AUTHORIZATION_CODE], redirect_uris=["https://app.example/cb"])
    core.client_secret("app", expires_at=START + DAY)
    [machines] = [it for it in core.actions.overview.credentials() if it.kind == "client_credentials"]
    assert (machines.live, machines.ending) == (0, 1)
