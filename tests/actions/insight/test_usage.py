"""Usage is read by time, resource and outcome, and the most used credentials are found."""

from datetime import datetime, timedelta
from functools import partial

import pytest

from app.actions.insight.usage import MOST_ROWS, GroupBy, UsagePoint, UsageRow
from app.actions.tokens.usage_rows import Count, add_counts, start_of_day, start_of_hour
from app.credentials.reasons import Reason
from app.errors import Invalid, NotFound
from tests.core import ORDERS, START, STOCK, Core

pytestmark = pytest.mark.both_databases

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
HOME = "192.0.2.0/24"


def add_count(
    core: Core,
    credential_id: str,
    uses: int,
    *,
    at: datetime = START,
    outcome: str = "ok",
    resource: str = ORDERS,
    address: str | None = HOME,
    server: str | None = "shop",
    target: str = "api_key",
) -> None:
    """Add to the counts as a node does."""
    with core.store.transaction() as session:
        add_counts(
            session, [Count(credential_id, start_of_hour(at), outcome, resource, target, uses, at, address, server)]
        )


def read(core: Core, group_by: GroupBy, since: datetime | None = None, until: datetime | None = None) -> list[UsageRow]:
    return core.actions.read_usage.of("key_1", since, until, group_by)


def test_uses_and_refusals_are_grouped_by_outcome_and_resource(core: Core) -> None:
    add_count(core, "key_1", 5)
    add_count(core, "key_1", 2, resource=STOCK, at=START + HOUR, address=None, server="depot")
    add_count(core, "key_1", 9, outcome=Reason.EXPIRED, at=START + 2 * HOUR)
    add_count(core, "key_2", 100)
    core.clock.advance(hours=3)
    assert [(row.group, row.uses, row.refusals) for row in read(core, "outcome")] == [("expired", 0, 9), ("ok", 7, 0)]
    by_resource = read(core, "resource")
    assert [(row.group, row.uses, row.refusals) for row in by_resource] == [(ORDERS, 5, 9), (STOCK, 2, 0)]
    assert by_resource[1] == UsageRow(STOCK, 2, 0, START + HOUR, None, "depot")


def test_a_group_has_the_address_and_the_server_of_its_latest_use(core: Core) -> None:
    add_count(core, "key_1", 1, at=START + 3 * HOUR, address="198.51.100.0/24", server="depot")
    add_count(core, "key_1", 5, at=START)
    [row] = read(core, "day")
    assert row == UsageRow("2030-01-01T00:00:00Z", 6, 0, START + 3 * HOUR, "198.51.100.0/24", "depot")


def test_times_are_in_order_and_bounded_by_since_and_until(core: Core) -> None:
    for hours in (0, 1, 2, 30):
        add_count(core, "key_1", 1, at=START + hours * HOUR)
    core.clock.advance(hours=40)
    hours_used = [row.group for row in read(core, "hour", START + HOUR, START + 3 * HOUR)]
    assert hours_used == ["2030-01-01T13:00:00Z", "2030-01-01T14:00:00Z"]
    assert [(row.group[:10], row.uses) for row in read(core, "day")] == [("2030-01-01", 3), ("2030-01-02", 1)]
    assert [row.uses for row in read(core, "outcome", START + HOUR)] == [3]


def test_a_longer_period_than_hours_are_kept_is_read_by_days(core: Core) -> None:
    add_count(core, "key_1", 4)
    core.clock.advance(days=60)
    assert [row.uses for row in read(core, "resource", START)] == [4]
    assert len(read(core, "resource", START - 300 * DAY)) == 1


def test_what_was_never_used_has_no_rows_and_a_line_of_zeros(core: Core) -> None:
    reading, key = core.actions.read_usage, core.key()[0].id
    assert reading.of(key) == []
    assert {(point.uses, point.refusals) for point in reading.hours(key)} == {(0, 0)}


def test_what_was_never_there_is_not_found_and_a_deleted_credential_keeps_its_counts(core: Core) -> None:
    with pytest.raises(NotFound, match="no such credential"):
        read(core, "day")
    add_count(core, "key_1", 1)
    assert len(read(core, "day")) == 1


def test_a_client_is_found_by_its_client_id_too(core: Core) -> None:
    add_count(core, core.row_id("robot"), 7, target="client")
    assert [row.uses for row in core.actions.read_usage.of("robot")] == [7]


def test_hours_and_days_end_with_the_present_one_and_have_no_gaps(core: Core) -> None:
    add_count(core, "key_1", 3)
    add_count(core, "key_1", 2, outcome=Reason.REVOKED)
    core.clock.advance(hours=2)
    hours, days = core.actions.read_usage.hours("key_1", 4), core.actions.read_usage.days("key_1", 2)
    first = start_of_hour(START)
    assert hours == [
        UsagePoint(first - HOUR, 0, 0),
        UsagePoint(first, 3, 2),
        UsagePoint(first + HOUR, 0, 0),
        UsagePoint(first + 2 * HOUR, 0, 0),
    ]
    assert days == [UsagePoint(start_of_day(START) - DAY, 0, 0), UsagePoint(start_of_day(START), 3, 2)]


def test_the_most_used_come_first_with_their_names_and_a_deleted_one_without(core: Core) -> None:
    key, _ = core.key()
    client = core.client("lorry")
    add_count(core, key.id, 5)
    add_count(core, key.id, 1, outcome=Reason.WRONG_RESOURCE, resource=STOCK)
    add_count(core, client, 50, target="client")
    add_count(core, "key_gone", 20)
    add_count(core, "key_old", 900, at=START - 8 * DAY)
    top = core.actions.read_usage.top(3)
    assert [(row.target, row.credential_id, row.name, row.uses, row.refusals) for row in top] == [
        ("client", client, "lorry", 50, 0),
        ("api_key", "key_gone", "", 20, 0),
        ("api_key", key.id, "a key", 5, 1),
    ]
    assert len(core.actions.read_usage.top(1)) == 1


def test_the_most_used_tokens_and_grants_are_named_with_their_users(core: Core) -> None:
    core.app("planner")
    add_count(core, core.pat("alice", "orders:read")[0].id, 1, target="personal_access_token")
    add_count(core, core.delegate("alice", "planner", "orders:read").grant_id, 2, target="grant")
    add_count(core, core.key()[0].id, 3)
    named = [(it.target, it.name, it.owner) for it in core.actions.read_usage.top()]
    of_alice = [("grant", "planner", "alice"), ("personal_access_token", "laptop", "alice")]
    assert named == [("api_key", "a key", ""), *of_alice]


def test_more_resources_than_fit_into_an_answer_are_on_further_pages(core: Core) -> None:
    counts = [
        Count(
            "key_1", start_of_hour(START), "ok", f"https://{number}.example", "api_key", number + 1, START, None, None
        )
        for number in range(MOST_ROWS + 1)
    ]
    with core.store.transaction() as session:
        add_counts(session, counts)
    rows = read(core, "resource")
    assert len(rows) == MOST_ROWS and rows[0].uses == MOST_ROWS + 1 and rows[-1].uses == 2
    page = partial(core.actions.read_usage.page, "key_1", group_by="resource")
    first, cursor = page()
    last, end = page(after=cursor)
    assert first == rows and [row.uses for row in last] == [1] and end is None
    assert page(MOST_ROWS + 1)[1] is None


def test_a_cursor_of_another_list_is_refused(core: Core) -> None:
    add_count(core, "key_1", 1)
    for cursor in ("key_1", "-1", "1_2", "", "9" * 40, "\u0661"):
        with pytest.raises(Invalid):
            core.actions.read_usage.page("key_1", after=cursor)
