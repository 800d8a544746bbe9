"""The lists of users, clients, roles, resources and keys at scale: an index for each order and filter, few queries."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.actions.directory.rows import Found, ListQuery
from tests.actions.insight.crowd import CLIENTS, KEYS, RARE, ROLES, USERS, api, plan, start_crowd, statements
from tests.core import Core

pytestmark = pytest.mark.both_databases

LIMIT = 50
MOST_QUERIES = 8  # of a page, its count and its cursor
ORDERS = {
    "users": {
        "created_at": "listed",
        "username": "by_username",
        "display_name": "by_display_name",
        "email": "by_email",
    },
    "clients": {"created_at": "listed", "name": "named", "client_id": "by_client_id"},
    "roles": {"created_at": "listed", "name": "named"},
    "resources": {
        "created_at": "listed",
        "name": "named",
        "identifier": "by_identifier",
        "access_token_ttl": "by_lifetime",
    },
    "api_keys": {"created_at": "listed", "name": "named", "expires_at": "ends", "last_used_at": "used"},
}
TABLES = {"users": "user", "clients": "client", "roles": "role", "resources": "resource", "api_keys": "api_key"}
FILTERS: list[tuple[str, dict[str, Any], str]] = [  # and the index that finds the rows
    ("users", {"enabled": False}, "ix_user_disabled"),
    ("users", {"enabled": True}, "ix_user_listed"),
    ("users", {"role": "role 7"}, "ix_user_role_role_id"),
    ("clients", {"enabled": False}, "ix_client_disabled"),
    ("clients", {"role": "role 7"}, "ix_client_role_role_id"),
    ("roles", {"type": "user"}, "ix_role_type"),
    ("api_keys", {"status": "revoked"}, "ix_api_key_revoked"),
    ("api_keys", {"status": "disabled"}, "ix_api_key_disabled"),
    ("api_keys", {"status": "expired"}, "ix_api_key_ends"),
    ("api_keys", {"status": "active"}, "ix_api_key_listed"),
    ("api_keys", {"resource": api(9)}, "ix_api_key_resource_id"),
]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with start_crowd(tmp_path_factory.mktemp("crowd")) as made:
        yield made


def search(crowd: Core, noun: str) -> Callable[..., Found[Any]]:
    found: Callable[..., Found[Any]] = getattr(crowd.actions, noun).search
    return found


def page_plan(crowd: Core, noun: str, wanted: ListQuery, **filters: Any) -> str:
    """Return the plan of the query that reads a page."""
    with statements(crowd) as sent:
        search(crowd, noun)(wanted, **filters)
    [paged] = [one for one in sent if "AS position" in one[0]]
    return plan(crowd, *paged)


@pytest.mark.parametrize(("noun", "order"), [(noun, order) for noun, orders in ORDERS.items() for order in orders])
def test_each_order_is_read_from_an_index(crowd: Core, noun: str, order: str) -> None:
    assert order in getattr(crowd.actions, noun).sorts
    for sort in (order, f"-{order}"):
        first = search(crowd, noun)(ListQuery(LIMIT, sort=sort))
        for after in (None, first.cursor):
            how = page_plan(crowd, noun, ListQuery(LIMIT, after, sort))
            assert f"ix_{TABLES[noun]}_{ORDERS[noun][order]}" in how, how
            assert "Sort" not in how and "TEMP B-TREE" not in how, how


def test_each_order_that_a_list_offers_has_its_index_tested(crowd: Core) -> None:
    for noun, orders in ORDERS.items():
        assert {sort.removeprefix("-") for sort in getattr(crowd.actions, noun).sorts} == set(orders)


@pytest.mark.parametrize(("noun", "filters", "index"), FILTERS, ids=str)
def test_each_filter_is_read_from_an_index(crowd: Core, noun: str, filters: dict[str, Any], index: str) -> None:
    how = page_plan(crowd, noun, ListQuery(LIMIT), **filters)
    usable = {index, f"ix_{TABLES[noun]}_listed"}  # the order of the page, where the database knows how many match
    assert any(name in how for name in usable) and "Seq Scan" not in how, how


def test_the_counts_and_what_a_search_finds(crowd: Core) -> None:
    totals = {"users": USERS, "clients": CLIENTS, "roles": ROLES, "api_keys": KEYS}
    for noun, total in totals.items():
        assert search(crowd, noun)(ListQuery(1)).count == total
    assert search(crowd, "users")(ListQuery(1), enabled=False).count == USERS / RARE
    for q, count in (("SER499", 11), ("User 499", 11), ("r4999@SHOP", 1), ("r_4", 0), ("%", 0), ("\\", 0)):
        assert search(crowd, "users")(ListQuery(1, q=q)).count == count, q


@pytest.mark.parametrize("noun", ORDERS)
def test_pages_are_one_order_without_gaps_and_take_few_queries(crowd: Core, noun: str) -> None:
    for order in ORDERS[noun]:
        ids: list[str] = []
        wanted = ListQuery(LIMIT, None, f"-{order}", "9")
        while True:
            with statements(crowd) as sent:
                found = search(crowd, noun)(wanted)
            assert len(sent) <= MOST_QUERIES
            ids += [one.id for one in found.rows]
            if found.cursor is None:
                break
            wanted = ListQuery(LIMIT, found.cursor, f"-{order}", "9")
        assert len(ids) == len(set(ids)) == found.count
