"""The list of all credentials at scale: few queries, and an index for each order and each filter, on both databases."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any, get_args

import pytest

from app.actions.insight.credentials import CredentialFilter, Sort
from tests.actions.insight.crowd import KEYS, TOKENS, api, plan, start_crowd, statements
from tests.core import START, Core

pytestmark = pytest.mark.both_databases

LIMIT = 50
MOST_QUERIES = 12  # of a page and its count
SORTS: tuple[Sort, ...] = get_args(Sort)
PAT, KEY = "personal_access_token", "api_key"
INDEXES = {"created_at": "listed", "expires_at": "ends", "last_used_at": "used", "name": "named"}
LISTED = "ix_personal_access_token_listed"  # the order of the page
DAY = timedelta(days=1)
FILTERS: dict[str, tuple[dict[str, Any], str]] = {  # and the index that finds the tokens
    "owner": ({"owner": "user7"}, "ix_personal_access_token_user_id"),
    "scope": ({"scope": "scope8"}, "ix_personal_access_token_scope_permission_id"),
    "resource": ({"resource": api(9)}, "ix_personal_access_token_scope_resource_id"),
    "revoked": ({"status": "revoked"}, "ix_personal_access_token_revoked"),
    "expired": ({"status": "expired"}, "ix_personal_access_token_ends"),
    "active": ({"status": "active"}, LISTED),
    "expires_before": ({"expires_before": START + 7 * DAY}, "ix_personal_access_token_ends"),
    "never_expires": ({"never_expires": True}, "ix_personal_access_token_ends"),
    "unused_since": ({"unused_since": START - 120 * DAY}, "ix_personal_access_token_used"),
    "created_since": ({"created_since": START - DAY}, LISTED),
}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with start_crowd(tmp_path_factory.mktemp("crowd")) as made:
        yield made


def plans(core: Core, wanted: CredentialFilter, **options: Any) -> str:
    """Return the plan of the query that reads a page."""
    with statements(core) as sent:
        core.actions.credentials.page(wanted, LIMIT, **options)
    [paged] = [one for one in sent if "position" in one[0]]
    return plan(core, *paged)


@pytest.mark.parametrize("kind", [PAT, KEY])
@pytest.mark.parametrize("sort", SORTS)
def test_each_order_is_read_from_an_index(crowd: Core, kind: str, sort: Sort) -> None:
    first, cursor = crowd.actions.credentials.page(CredentialFilter(kind), LIMIT, None, sort)
    for after in (None, cursor):
        how = plans(crowd, CredentialFilter(kind), after=after, sort=sort)
        assert f"ix_{kind}_{INDEXES[sort.removeprefix('-')]}" in how, how
        assert "Sort" not in how and "TEMP B-TREE" not in how, how
    assert len(first) == LIMIT


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_is_read_from_an_index(crowd: Core, name: str) -> None:
    wanted, index = FILTERS[name]
    how = plans(crowd, CredentialFilter(PAT, **wanted))
    usable = {index, LISTED} if crowd.store.dialect == "postgresql" else {index}  # it knows how many rows match
    assert any(name in how for name in usable) and "Seq Scan on personal" not in how, how


def test_a_search_reads_the_users_once_and_not_for_each_token(crowd: Core) -> None:
    how = plans(crowd, CredentialFilter(PAT, q="user499"))
    once = "hashed SubPlan" if crowd.store.dialect == "postgresql" else "LIST SUBQUERY"
    assert once in how and "CORRELATED" not in how, how


def test_a_page_takes_few_queries_whatever_is_on_it(crowd: Core) -> None:
    everything = {key: value for one, _ in FILTERS.values() for key, value in one.items()}
    for wanted in (CredentialFilter(), CredentialFilter(q="1"), CredentialFilter(PAT, **everything)):
        with statements(crowd) as sent:
            crowd.actions.credentials.page(wanted, LIMIT)
            crowd.actions.credentials.count(wanted)
        assert len(sent) <= MOST_QUERIES


@pytest.mark.parametrize("sort", SORTS)
def test_the_pages_of_all_kinds_are_one_order_without_gaps(crowd: Core, sort: Sort) -> None:
    wanted, listing = CredentialFilter(created_since=START - 3 * DAY), crowd.actions.credentials
    read, after = listing.page(wanted, 200, None, sort)
    while after is not None:
        more, after = listing.page(wanted, 200, after, sort)
        read += more
    assert len(read) == len({one.id for one in read}) == listing.count(wanted)
    assert len({one.kind for one in read}) == 4
    values = [getattr(one, sort.removeprefix("-")) for one in read if sort.endswith("created_at")]
    assert all(a >= b if sort.startswith("-") else a <= b for a, b in pairwise(values))


def test_the_counts_of_the_whole(crowd: Core) -> None:
    count = crowd.actions.credentials.count
    assert (count(CredentialFilter(PAT)), count(CredentialFilter(KEY))) == (TOKENS, KEYS)
    statuses = [count(CredentialFilter(PAT, status=one)) for one in ("active", "disabled", "expired", "revoked")]
    assert sum(statuses) == TOKENS and all(statuses)


def test_the_overview_counts_what_its_lists_hold(crowd: Core) -> None:
    counts, lists = crowd.actions.overview.credentials(), crowd.actions.overview.lists()
    assert len(counts) == 4
    for it in counts:
        listed = [
            crowd.actions.credentials.count(getattr(lists[it.kind], name)) for name in ("live", "ending", "unused")
        ]
        assert [it.live, it.ending, it.unused] == (listed if it.unused is not None else [*listed[:2], None]), it.kind
