"""With 5,000 users, 20,000 tokens, 300 roles and 1,000 keys, every page reads few rows by few queries and is short."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, select

from app.database.types import Base
from app.models import User
from tests.actions.insight import crowd
from tests.management.face import Face
from tests.web.console.conftest import sign_in_operator
from tests.web.visitor import Visitor

MOST_QUERIES = 20
MOST_ROWS = 1_200  # that become objects
LONGEST = 120_000  # characters
LISTS = ("users", "clients", "roles", "resources", "api-keys", "credentials")
PAGES = (
    *("", "/users/new", "/users/usr_7", "/users/usr_7/delete", "/users/usr_7/tokens/new"),
    *("/clients/new", "/clients/cli_7", "/roles/new", "/roles/role_7", "/roles/role_7/delete"),
    *("/resources/new", "/resources/res_7", "/resources/res_7/delete", "/api-keys/new", "/api-keys/key_7"),
    *("/holders", "/holders?scope=scope8", "/holders?scope=scope8&kind=tokens", "/search", "/audit", "/signing-keys"),
    *(f"/{noun}{query}" for noun in LISTS for query in ("", "?q=9", "?q=nothing", "?sort=name", "?status=disabled")),
    *("/credentials?scope=scope8", "/credentials?owner=user7", "/credentials?status=expired"),
    *("/users?role=role+7", "/users?sort=-email", "/api-keys?resource=https://api.example/7"),
    *(f"/credentials/{one}" for one in ("pat_00007", "key_7", "cli_7", "sec_7", "grt_7")),
    *("/clients/cli_7/grants", "/clients/cli_7/grants?user=usr_7", "/users/usr_7/apps"),
)
ACCOUNT_PAGES = ("/account", "/account/tokens", "/account/tokens/new", "/account/apps", "/account/apps/cli_7")


@pytest.fixture(scope="module")
def operator(face: Face) -> Visitor:
    """The browser of an operator of a large organisation."""
    crowd.seed(face.core.store, face.core.clock())
    crowd.seed_usage(face.core.store, face.core.clock())
    visitor = sign_in_operator(face)
    with face.core.store.transaction() as session:
        [me] = session.scalars(select(User.id).where(User.username.startswith("person-")))
    crowd.seed_grants(face.core.store, "cli_7", ["usr_7", me], face.core.clock(), 200)
    return visitor


class Work:
    """The queries that were sent, and the rows that became objects."""

    queries = 0
    rows = 0


@contextmanager
def measure(face: Face) -> Iterator[Work]:
    """Count the work of the database."""
    work = Work()

    def count_query(*_: Any) -> None:
        work.queries += 1

    def count_row(*_: Any) -> None:
        work.rows += 1

    engine = face.core.store._readers
    event.listen(engine, "before_cursor_execute", count_query)
    event.listen(Base, "load", count_row, propagate=True)
    yield work
    event.remove(Base, "load", count_row)
    event.remove(engine, "before_cursor_execute", count_query)


@pytest.mark.parametrize("path", [*(f"/console{page}" for page in PAGES), *ACCOUNT_PAGES])
def test_a_page_is_short_and_reads_little(face: Face, operator: Visitor, path: str) -> None:
    with measure(face) as work:
        answer = operator.get(path)
    assert answer.status_code == 200 and len(answer.text) < LONGEST, len(answer.text)
    assert work.queries <= MOST_QUERIES and work.rows <= MOST_ROWS, (work.queries, work.rows)
