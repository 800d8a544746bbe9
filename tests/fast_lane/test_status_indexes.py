"""A decision in memory never signs for an index that has ended, nor for a list that ends before its tokens."""

import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from app.actions.audit.actor import OPERATOR
from app.database import statements
from app.models import StatusEntry
from tests.actions.status.published import is_invalid, is_refused, position_of
from tests.fast_lane.conftest import OwnLanes
from tests.fast_lane.lanes import Asked, Lanes, basic

pytestmark = pytest.mark.both_databases


@pytest.fixture
def own(own_lanes: OwnLanes) -> Lanes:
    return own_lanes()


def issue(lanes: Lanes, taken: bool = True) -> str:
    """Return a token that the fast lane signs."""
    body = b"grant_type=client_credentials&scope=orders:read"
    asked = Asked("/oauth/token", body=body, headers={"AUTHORIZATION": basic(lanes.wire.robot)})
    assert lanes.fast(asked).taken is taken
    answer: Any = json.loads(lanes.raw(asked))
    return str(answer["access_token"])


def test_the_lane_signs_for_the_index_of_the_decision_and_writes_one_row(own: Lanes) -> None:
    rows = own.core.count(StatusEntry)
    tokens = [issue(own) for _ in range(5)]
    assert len({position_of(token) for token in tokens}) == 1 and own.core.count(StatusEntry) == rows + 1
    assert position_of(own.core.m2m("robot", "orders:read")) == position_of(tokens[0])


def test_a_revoked_token_ends_the_index_that_the_lane_has_in_memory(own: Lanes) -> None:
    first = issue(own)
    own.core.actions.revoke_token(OPERATOR, first, "robot")
    second = issue(own)
    assert position_of(second) != position_of(first)
    assert is_invalid(own.core, first) and not is_invalid(own.core, second)


def test_rights_that_went_and_came_back_have_another_index(own: Lanes) -> None:
    first = issue(own)
    own.core.assign("robot")
    assert is_invalid(own.core, first)
    own.core.assign("robot", "worker")
    second = issue(own)
    assert position_of(second) != position_of(first) and not is_invalid(own.core, second)


def test_a_token_that_lasts_past_midnight_is_in_the_next_list_although_no_right_changed(own: Lanes) -> None:
    own.core.clock.now = datetime(2030, 1, 1, 22, 59, 59, tzinfo=UTC)
    today = issue(own)
    own.core.clock.advance(seconds=1)
    tomorrow = issue(own)
    assert position_of(today)[0] != position_of(tomorrow)[0]
    own.core.clock.now = datetime.fromtimestamp(
        jwt.decode(tomorrow, options={"verify_signature": False})["exp"] - 1, UTC
    )
    assert not is_invalid(own.core, tomorrow) and not is_refused(own.core, tomorrow)


@pytest.mark.parametrize("swept", [100, 1])
def test_a_list_that_ended_while_the_clock_was_ahead_gets_no_further_token(
    own: Lanes, monkeypatch: pytest.MonkeyPatch, swept: int
) -> None:
    monkeypatch.setattr(statements, "SWEPT", swept)  # 1: some of its indexes are left
    first = issue(own)
    own.core.m2m("robot", "orders:write")
    own.core.clock.advance(days=2)
    for scope in ("stock:read", "orders:write"):
        own.core.m2m("robot", scope)
    own.core.clock.advance(days=-2)
    tokens = [issue(own), own.core.m2m("robot", "orders:write")]
    assert position_of(first)[0] not in {position_of(one)[0] for one in tokens}
    assert not any(is_invalid(own.core, one) for one in tokens)
    left = own.core.actions.status_lists.get(int(position_of(first)[0].rsplit("/", 1)[1], 16))
    assert left is None or is_invalid(own.core, first)
