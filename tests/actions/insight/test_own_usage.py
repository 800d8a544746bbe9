"""A user reads the usage of their own tokens and apps; what is not theirs is like what does not exist."""

from datetime import timedelta

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.insight.own_usage import Own
from app.actions.insight.usage import NOT_OWN, UsageRow
from app.errors import NotFound
from app.models import AppGrant
from tests.actions.insight.test_usage import add_count
from tests.core import START, STOCK, Core

pytestmark = pytest.mark.both_databases

HOUR = timedelta(hours=1)


def total(core: Core, wanted: str, username: str = "alice") -> int:
    return sum(row.uses for row in core.actions.read_usage.of(Own(core.row_id(username), wanted)))


@pytest.fixture
def grants(core: Core) -> list[str]:
    """Two grants of alice to the app `planner`, used 3 and 4 times, and one of bob, used 100 times."""
    core.user("bob", "clerk")
    core.app("planner")
    made = [core.delegate(name, "planner", "orders:read").grant_id for name in ("alice", "alice", "bob")]
    for grant, uses in zip(made, (3, 4, 100), strict=True):
        add_count(core, grant, uses, target="grant")
    return made


def test_a_user_reads_their_own_token(core: Core) -> None:
    token = core.pat("alice", "orders:read")[0].id
    assert total(core, token) == 0
    add_count(core, token, 5, target="personal_access_token")
    assert total(core, token) == 5


def test_an_app_is_all_of_its_grants_for_this_user_and_no_other(core: Core, grants: list[str]) -> None:
    for named in ("planner", core.row_id("planner")):
        assert (total(core, named), total(core, named, "bob")) == (7, 100)
    assert [total(core, grant) for grant in grants[:2]] == [3, 4]
    points = core.actions.read_usage.days(Own(core.row_id("alice"), core.row_id("planner")), 1)
    assert [point.uses for point in points] == [7]


def test_the_groups_of_an_app_have_the_latest_use_of_all_its_grants(core: Core, grants: list[str]) -> None:
    add_count(core, grants[1], 1, at=START + HOUR, resource=STOCK, address="198.51.100.0/24", server="depot", target="")
    [row] = core.actions.read_usage.of(Own(core.row_id("alice"), "planner"))
    assert row == UsageRow("2030-01-01T00:00:00Z", 8, 0, START + HOUR, "198.51.100.0/24", "depot")


def test_an_app_without_a_grant_is_there_as_long_as_it_is_allowed(core: Core, grants: list[str]) -> None:
    me, actions = core.row_id("alice"), core.actions
    with core.store.transaction() as session:
        for grant in grants[:2]:
            session.delete(session.get_one(AppGrant, grant))
    assert total(core, "planner") == 0
    actions.apps.end(OPERATOR, me, core.row_id("planner"))
    with pytest.raises(NotFound):
        total(core, "planner")


def test_what_is_not_the_users_is_refused_like_what_does_not_exist(core: Core, grants: list[str]) -> None:
    core.app("unknown-to-alice")
    theirs = core.pat("bob", "orders:read")[0].id
    key = core.key()[0].id
    for row, target in ((theirs, "personal_access_token"), (key, "api_key"), (core.row_id("robot"), "client")):
        add_count(core, row, 1, target=target)
    others = (theirs, key, grants[2], "robot", core.row_id("robot"), "unknown-to-alice", core.row_id("bob"))
    for wanted in (*others, core.row_id("alice"), "pat_nobody", "", "x" * 64):
        with pytest.raises(NotFound) as refused:
            total(core, wanted)
        assert str(refused.value) == NOT_OWN


def test_a_client_that_is_called_like_a_token_lends_nobody_its_counts(core: Core) -> None:
    token = core.pat("alice", "orders:read")[0].id
    add_count(core, core.client(token), 9, target="client")
    assert total(core, token) == 0
