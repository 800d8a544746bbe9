"""The console's list of every credential: filters, orders, pages, revocation of many, and its file."""

import csv
import io
import re
from datetime import timedelta
from html import unescape

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.api_keys import NewKey
from app.actions.directory.lifetime import AskedLifetime
from tests.core import ORDERS
from tests.management.face import Face
from tests.web.console.listing import pages_of
from tests.web.visitor import Visitor

PAGE = "/console/credentials"


def names(page: str) -> list[str]:
    """Return the names in the list, in its order."""
    rows = re.findall(r'<th scope="row">(?:<a [^>]*>)?([^<]+)', page)
    return [unescape(name).strip() for name in rows]


@pytest.fixture
def ann(own_face: Face) -> str:
    """Make ann, who may read orders, with two tokens; a key; and a client with a secret. Return ann's id."""
    core = own_face.core
    core.role("reader", "user", "orders:read")
    owner = core.user("ann", "reader")
    core.pat("ann", "orders:read", name="laptop")
    core.clock.advance(seconds=1)
    core.pat("ann", "orders:read", name="soon", lifetime=AskedLifetime(expires_in=3600))
    core.clock.advance(seconds=1)
    core.actions.api_keys.create(OPERATOR, NewKey("the shop's", ORDERS))
    core.clock.advance(seconds=1)
    core.client("robot")
    core.client_secret("robot", name="robot's secret")
    return owner


@pytest.mark.contract("every credential is in one list with its filters, orders and file, and many are revoked at once")
def test_all_kinds_are_in_one_list_newest_first(own_operator: Visitor, ann: str) -> None:
    page = own_operator.get(PAGE).text
    assert names(page) == ["robot's secret", "robot", "the shop's", "soon", "laptop"]
    assert "<strong>5</strong> credentials" in page
    assert names(own_operator.get(f"{PAGE}?sort=name").text) == sorted(names(page))


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("kind=api_key", ["the shop's"]),
        ("owner=ann", ["soon", "laptop"]),
        ("owner=robot&kind=client_secret", ["robot's secret"]),
        ("scope=orders:list", ["the shop's"]),
        (f"resource={ORDERS}", ["the shop's", "soon", "laptop"]),
        ("q=LAP", ["laptop"]),
        ("q=ann", ["soon", "laptop"]),
        ("q=%25", []),
        ("expires_before=2030-01-02", ["soon"]),
        ("never_expires=true&kind=api_key", ["the shop's"]),
        ("never_expires=false", ["soon", "laptop"]),
        ("created_since=2030-01-01T12:00:02", ["robot's secret", "robot", "the shop's"]),
        ("unused_since=2030-01-01T12:00:01", ["laptop"]),
        ("status=disabled", []),
        ("owner=nobody", []),
        ("scope=no:such", []),
    ],
)
@pytest.mark.contract("every credential is in one list with its filters, orders and file, and many are revoked at once")
def test_each_filter_keeps_what_it_says(own_operator: Visitor, ann: str, query: str, found: list[str]) -> None:
    assert names(own_operator.get(f"{PAGE}?{query}").text) == found


def test_what_a_filter_cannot_read_is_refused_and_shown_again(own_operator: Visitor) -> None:
    answer = own_operator.get(f"{PAGE}?expires_before=soon&owner=ann")
    assert answer.status_code == 422 and "must be a time in UTC" in answer.text and 'value="ann"' in answer.text
    assert own_operator.get(f"{PAGE}?kind=badge").status_code == 422
    assert own_operator.get(f"{PAGE}?after=x").status_code == 422


def test_its_pages_follow_each_other_in_the_chosen_order(own_face: Face, own_operator: Visitor, ann: str) -> None:
    for number in range(60):
        own_face.core.actions.api_keys.create(OPERATOR, NewKey(f"k{number:02}", ORDERS))
    for sort in ("name", "-expires_at", "last_used_at"):
        pages = pages_of(own_operator, f"{PAGE}?kind=api_key&sort={sort}")
        found = [name for page in pages for name in names(page)]
        assert len(pages) == 2 and len(found) == len(set(found)) == 61
    assert found[0] == "the shop's"


@pytest.mark.contract("every credential is in one list with its filters, orders and file, and many are revoked at once")
def test_many_are_revoked_after_a_question_that_names_them(own_face: Face, own_operator: Visitor, ann: str) -> None:
    page = own_operator.get(f"{PAGE}?owner=ann").text
    ids = re.findall(r'name="ids" value="([^"]+)"', page)
    assert len(ids) == 2
    question = own_operator.post(f"{PAGE}/revoke?owner=ann", ids=ids)
    assert question.status_code == 200 and "Revoke 2 credentials?" in question.text and names(question.text) != []
    assert "1 owner" in question.text and not own_face.core.trace("personal_access_token.revoke")
    done = own_operator.post(f"{PAGE}/revoke?owner=ann", ids=ids, sure="yes")
    assert done.status_code == 303 and done.location == f"{PAGE}?owner=ann"
    assert len(own_face.core.trace("personal_access_token.revoke")) == 2
    after = own_operator.get(f"{PAGE}?owner=ann").text
    assert "Revoked: 2." in after and after.count('data-status="revoked"') == 2 and 'name="ids"' not in after
    assert own_operator.post(f"{PAGE}/revoke", ids=ids, sure="yes").status_code == 303
    assert own_operator.post(f"{PAGE}/revoke").status_code == 303


@pytest.mark.contract("every credential is in one list with its filters, orders and file, and many are revoked at once")
def test_the_file_holds_what_matches_and_no_formula(own_face: Face, own_operator: Visitor, ann: str) -> None:
    own_face.core.actions.api_keys.create(OPERATOR, NewKey('=HYPERLINK("https://x.example")', ORDERS))
    answer = own_operator.get(f"{PAGE}/export.csv?kind=api_key")
    assert (
        answer.content_type.startswith("text/csv") and "latchkey-credentials-" in answer.headers["Content-Disposition"]
    )
    first, second = csv.DictReader(io.StringIO(answer.text))
    assert (first["name"], second["name"]) == ('\'=HYPERLINK("https://x.example")', "the shop's")
    assert (second["scopes"], second["resources"], second["status"]) == ("orders:list", ORDERS, "active")


@pytest.mark.contract("each number of the overview leads to the list that it counts")
def test_each_number_of_the_overview_leads_to_as_many(own_face: Face, own_operator: Visitor, ann: str) -> None:
    own_face.core.clock.advance(days=91)
    own_face.core.pat("ann", "orders:read", name="new")
    own_face.core.client_secret("robot", name="ends", expires_at=own_face.core.clock() + timedelta(days=7))
    own_operator.sign_in(own_face.person("manage"), "correct horse battery staple")
    numbers = re.findall(r'<td[^>]*>(?:<span>)?<a href="([^"]+)">(\d+)</a>', own_operator.get("/console").text)
    assert len(numbers) == 11 and {count for _, count in numbers} == {"0", "1"}
    for url, count in numbers:
        page = own_operator.get(unescape(url)).text
        assert len(names(page)) == int(count), url
