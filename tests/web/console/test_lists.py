"""What the lists of the console share: newest first, orders, filters, search, counts, files, and revoking many."""

import csv
import io
import re
from html import unescape

import pytest

from app.actions.audit.actor import OPERATOR
from app.actions.directory.api_keys import KeyChanges, NewKey
from app.actions.directory.clients import NewClient
from app.actions.directory.resources import NewResource
from app.actions.directory.roles import NewRole
from app.actions.directory.rows import ListQuery
from app.actions.directory.users import NewUser
from tests.core import ORDERS
from tests.management.face import Face
from tests.web.console.listing import pages_of
from tests.web.visitor import Visitor

LISTS = ("users", "clients", "roles", "resources", "api-keys", "credentials")
UNREADABLE = ("status=activ", "status=%00", "q=Anna%E2%80%8B", "q=%00", f"q={'a' * 201}")
HEAD = re.compile(r'<th scope="col"( aria-sort="(\w+)")?><a href="([^"]+)">')


def names(page: str) -> list[str]:
    """Return the names in the list, in its order."""
    rows = re.findall(r'<th scope="row">(?:<a [^>]*>)?([^<]+)', page)
    return [unescape(name).strip() for name in rows]


def count(page: str) -> str:
    """Return the sentence that says how many rows the list has."""
    [sentence] = re.findall(r'<p role="status">(<strong>.*?\.)(?:\s|<)', page)
    return re.sub("<[^>]+>", "", sentence)


@pytest.fixture
def shop(own_face: Face, own_operator: Visitor) -> Face:
    """An application for one test, with three of each noun."""
    furnish(own_face)
    return own_face


@pytest.fixture(scope="module")
def reader(face: Face, operator: Visitor) -> Visitor:
    """The operator of an application with three of each noun, for tests that change nothing."""
    furnish(face)
    return operator


def furnish(face: Face) -> None:
    """Make three of each noun, a second after one another."""
    make, core = face.core.actions, face.core
    for name, word in (("bert", "first"), ("Anna", "Second"), ("cleo", "third 100%")):
        core.clock.advance(seconds=1)
        core.role(f"{name} reads", "user", "orders:read")
        make.users.create(OPERATOR, NewUser(name, f"{name}@shop.example", display_name=word, roles=(f"{name} reads",)))
        core.role(f"{name} works", "machine")
        make.clients.create(OPERATOR, NewClient(f"{name}'s robot", roles=(f"{name} works",), enabled=name != "bert"))
        make.resources.create(OPERATOR, NewResource(f"https://{name.lower()}.example/{word[0]}", f"{name}'s API"))
        make.api_keys.create(OPERATOR, NewKey(f"{name}'s key", ORDERS))


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("users?role=cleo+reads", ["cleo"]),
        ("users?q=SHOP.example", ["cleo", "Anna", "bert"]),
        ("users?q=shop.example&sort=username", ["Anna", "bert", "cleo"]),
        ("users?q=shop.example&sort=-username", ["cleo", "bert", "Anna"]),
        ("users?q=shop.example&sort=display_name", ["bert", "Anna", "cleo"]),
        ("users?q=secon", ["Anna"]),
        ("users?q=100%25", ["cleo"]),
        ("users?q=%25", ["cleo"]),
        ("users?q=_", []),
        ("users?status=disabled", []),
        ("users?role=no+such", []),
        ("clients", ["cleo's robot", "Anna's robot", "bert's robot"]),
        ("clients?sort=name", ["Anna's robot", "bert's robot", "cleo's robot"]),
        ("clients?status=disabled", ["bert's robot"]),
        ("clients?q=LEO", ["cleo's robot"]),
        ("clients?role=Anna+works", ["Anna's robot"]),
        ("roles?q=reads", ["cleo reads", "Anna reads", "bert reads"]),
        ("roles?type=machine&sort=name", ["Anna works", "bert works", "cleo works"]),
        ("resources?q=%27s", ["cleo's API", "Anna's API", "bert's API"]),
        ("resources?q=.example/s", ["Anna's API"]),
        ("resources?q=%27s&sort=-identifier", ["cleo's API", "bert's API", "Anna's API"]),
        ("api-keys", ["cleo's key", "Anna's key", "bert's key"]),
        ("api-keys?sort=created_at", ["bert's key", "Anna's key", "cleo's key"]),
        ("api-keys?q=ANNA", ["Anna's key"]),
        ("api-keys?status=revoked", []),
        (f"api-keys?resource={ORDERS}&sort=-name", ["cleo's key", "bert's key", "Anna's key"]),
    ],
)
def test_each_list_is_newest_first_sorted_filtered_and_searched(reader: Visitor, path: str, found: list[str]) -> None:
    page = reader.get(f"/console/{path}").text
    assert names(page) == found
    assert not found or count(page).startswith(f"{len(found)} "), count(page)


@pytest.mark.parametrize("noun", LISTS)
def test_the_heads_sort_both_ways_and_keep_the_rest_of_the_query(reader: Visitor, noun: str) -> None:
    page = reader.get(f"/console/{noun}?q=a").text
    heads = HEAD.findall(page)
    assert len(heads) >= 2 and [way for _, way, _ in heads if way] == ["descending"], "newest first is said"
    for _, _, url in heads:
        once = reader.get(unescape(url)).text
        [way] = [way for _, way, _ in HEAD.findall(once) if way]
        [back] = [onward for _, found, onward in HEAD.findall(once) if found]
        twice = reader.get(unescape(back)).text
        assert {way, *(found for _, found, _ in HEAD.findall(twice) if found)} == {"ascending", "descending"}
        assert sorted(names(once)) == sorted(names(twice)) and 'value="a"' in twice


@pytest.mark.parametrize("noun", LISTS)
def test_a_file_holds_what_the_list_shows_and_no_formula(shop: Face, own_operator: Visitor, noun: str) -> None:
    name = "=1+1"
    shop.core.actions.roles.create(OPERATOR, NewRole(name, "user"))
    shop.core.actions.users.create(OPERATOR, NewUser("x", display_name=name, roles=(name, "Anna reads")))
    shop.core.actions.clients.create(OPERATOR, NewClient(name))
    shop.core.actions.resources.create(OPERATOR, NewResource("https://x.example/=1+1", name))
    shop.core.actions.api_keys.create(OPERATOR, NewKey(name, ORDERS))
    page = own_operator.get(f"/console/{noun}?q=%3D1%2B1&sort=created_at").text
    [url] = re.findall(r'href="([^"]+export\.csv[^"]*)"', page)
    answer = own_operator.get(unescape(url))
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert answer.content_type.startswith("text/csv") and f"latchkey-{noun}-" in answer.headers["Content-Disposition"]
    assert len(rows) == len(names(page)) >= 1
    shown = [row.get("display_name") or row.get("name") or row["owner_name"] for row in rows]
    assert set(shown) == {f"'{name}"}
    if noun == "users":
        assert (rows[0]["roles"], rows[0]["enabled"]) == ("'=1+1; Anna reads", "true")


def test_a_list_says_how_many_match_and_goes_on_in_its_order(own_face: Face, own_operator: Visitor) -> None:
    for number in range(60):
        own_face.core.user(f"one{number:02}")
    assert count(own_operator.get("/console/users?q=one5").text) == "10 users match."
    assert count(own_operator.get("/console/users?q=one59").text) == "1 user matches."
    for sort in ("username", "-username", "email", "-created_at", "display_name"):
        pages = pages_of(own_operator, f"/console/users?q=one&sort={sort}")
        found = [name for page in pages for name in names(page)]
        assert len(pages) == 2 and len(set(found)) == 60 and count(pages[1]) == "60 users match."
        if sort.endswith("username"):
            assert found == sorted(found, reverse=sort.startswith("-"))


@pytest.mark.parametrize("noun", LISTS)
def test_a_cursor_of_no_row_is_refused_and_nothing_found_leads_back(reader: Visitor, noun: str) -> None:
    assert reader.get(f"/console/{noun}?after=no_such&sort=name").status_code == 422
    page = reader.get(f"/console/{noun}?q=zzz").text
    assert "match" in page and f'href="/console/{noun}"' in page and not names(page)


def test_the_chosen_keys_are_revoked_after_a_question_that_names_them(shop: Face, own_operator: Visitor) -> None:
    page = own_operator.get("/console/api-keys?sort=name").text
    ids = re.findall(r'name="ids" value="([^"]+)"', page)[:2]
    question = own_operator.post("/console/api-keys/revoke?sort=name", ids=ids).text
    assert "Revoke 2 credentials?" in question and sorted(names(question)) == ["Anna's key", "bert's key"]
    [sent] = re.findall(r'name="ids" value="([^"]+)"', question)
    assert not shop.core.trace("api_key.revoke")
    done = own_operator.post("/console/api-keys/revoke?sort=name", ids=sent, sure="yes")
    assert done.status_code == 303 and done.location == "/console/api-keys?sort=name"
    assert len(shop.core.trace("api_key.revoke")) == 2
    assert names(own_operator.get("/console/api-keys?status=active").text) == ["cleo's key"]


def test_the_list_of_keys_revokes_nothing_else(shop: Face, own_operator: Visitor) -> None:
    shop.core.user("dora", "Anna reads")
    token, secret = shop.core.pat("dora", "orders:read")
    answer = own_operator.post("/console/api-keys/revoke", ids=token.id, sure="yes")
    assert answer.status_code == 303 and shop.core.active(secret)
    assert "Nothing was chosen" in own_operator.get("/console/api-keys").text


@pytest.mark.parametrize("noun", ["api-keys", "credentials"])
def test_all_that_match_are_revoked_together_after_an_exact_question(
    own_face: Face, own_operator: Visitor, noun: str
) -> None:
    make = own_face.core.actions.api_keys
    keys = [make.create(OPERATOR, NewKey(f"old {number:02}", ORDERS))[0] for number in range(60)]
    other = make.create(OPERATOR, NewKey("new", ORDERS))[0]
    make.revoke(OPERATOR, keys[0].id)
    make.change(OPERATOR, keys[1].id, KeyChanges(enabled=False))
    page = own_operator.get(f"/console/{noun}?q=old").text
    assert "Revoke all 60 that match" in page
    question = own_operator.post(f"/console/{noun}/revoke?q=old", all="yes").text
    assert (
        "Revoke 59 credentials?" in question and len(names(question)) == 59 and "1 more of what you chose" in question
    )
    [sent] = re.findall(r'name="ids" value="([^"]+)"', question)
    make.create(OPERATOR, NewKey("old, but made since the question", ORDERS))
    assert own_operator.post(f"/console/{noun}/revoke?q=old", ids=sent, sure="yes").status_code == 303
    assert "Revoked: 59." in own_operator.get(f"/console/{noun}").text
    assert make.get(other.id).status == "active" and len(own_face.core.trace("api_key.revoke")) == 60
    assert make.search(ListQuery(1, q="since")).rows[0].status == "active"


def test_a_filter_that_cannot_be_read_is_never_taken_for_all(reader: Visitor) -> None:
    for noun, queries in (("api-keys", UNREADABLE), ("credentials", (*UNREADABLE, "never_expires=maybe"))):
        for query in queries:
            for answer in (
                reader.get(f"/console/{noun}?{query}"),
                reader.get(f"/console/{noun}/export.csv?{query}"),
                reader.post(f"/console/{noun}/revoke?{query}", all="yes"),
            ):
                assert answer.status_code == 422 and not names(answer.text), (noun, query)


def test_a_secret_in_the_search_is_refused_and_not_repeated(own_face: Face, own_operator: Visitor) -> None:
    _, secret = own_face.core.key()
    for noun in LISTS:
        answer = own_operator.get(f"/console/{noun}?q={secret}")
        assert answer.status_code == 422 and "Search by secret" in answer.text and secret not in answer.text
    done = own_operator.post(f"/console/api-keys/revoke?q={secret}", ids="none")
    assert done.status_code == 303 and secret not in done.location


@pytest.mark.parametrize("noun", ["api-keys", "credentials"])
def test_what_was_confirmed_are_the_named_ones_alone(own_face: Face, own_operator: Visitor, noun: str) -> None:
    make = own_face.core.actions.api_keys
    named, other = (make.create(OPERATOR, NewKey(name, ORDERS))[0] for name in ("named", "other"))
    own_operator.get(f"/console/{noun}")
    own_operator.post(f"/console/{noun}/revoke", ids=named.id, all="yes", sure="yes")
    assert make.get(named.id).status == "revoked" and make.get(other.id).status == "active"


def test_more_than_can_be_revoked_at_once_are_not_offered(
    own_face: Face, own_operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("api_keys", "revoke_many"):
        monkeypatch.setattr(f"app.web.console.{module}.MOST_REVOKED", 55)
    for number in range(60):
        own_face.core.actions.api_keys.create(OPERATOR, NewKey(f"k{number:02}", ORDERS))
    page = own_operator.get("/console/api-keys").text
    assert "Revoke all" not in page and "At most 55 keys are revoked at once" in page
    assert own_operator.post("/console/api-keys/revoke", all="yes").status_code == 303
    assert "narrow the filter" in own_operator.get("/console/api-keys").text
    assert not own_face.core.trace("api_key.revoke")
