"""What a directory looks up before each change, and lists whose filters keep the database at work."""

from __future__ import annotations

import re

import pytest

from app.actions.directory import provisioning_lists
from app.actions.limits.concurrency import ConcurrencyLimit
from tests.actions.insight.crowd import plan, statements
from tests.scim.provisioner import Provisioner, refused, unique

pytestmark = pytest.mark.both_databases
OF_USERS = re.compile(r'FROM "?user"?(\s|$)')
COSTLY = " or ".join(f'displayName co "x{number}"' for number in range(7))
CHEAP = ('userName eq "x"', 'externalId eq "x" or emails.value eq "x@y.eu"', 'displayName co "x"', "")


@pytest.mark.contract("SCIM: filter, sort, pages, attributes, PATCH and versions")
@pytest.mark.spec("RFC 7644 §3.4.2.2")
@pytest.mark.parametrize("name", ["id", "userName", "externalId", "emails", "emails.value"])
def test_a_look_up_of_one_user_reads_no_whole_table(scim: Provisioner, name: str) -> None:
    core = scim.face.core
    with statements(core) as sent:
        scim.find_ids("/Users", " or ".join(f'{name} eq "x{number}@y.eu"' for number in range(3)))
    [count] = [one for one in sent if OF_USERS.search(one[0]) and "count(" in one[0]]
    shown = plan(core, *count)
    assert "SCAN user" not in shown and "Seq Scan" not in shown, shown


@pytest.mark.spec("RFC 7644 §3.4.2")
def test_an_empty_list_is_asked_for_once(scim: Provisioner) -> None:
    scim.user()
    for query in ({"filter": f'userName eq "{unique("nobody")}"'}, {"count": "0"}, {"startIndex": "100000"}):
        with statements(scim.face.core) as sent:
            assert scim.get("/Users", **query)["Resources"] == []
        assert len([statement for statement, _ in sent if OF_USERS.search(statement)]) == 1


@pytest.mark.parametrize("path", ["/Users/.search", "/Groups/.search", "/.search"])
def test_costly_filters_leave_threads_to_other_requests(
    scim: Provisioner, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    limit = ConcurrencyLimit(1, 1, 0.01)
    monkeypatch.setattr(provisioning_lists, "_COSTLY", limit)
    assert scim.call("POST", path, {"filter": COSTLY}).status_code == 200
    with limit():
        answer = scim.call("POST", path, {"filter": COSTLY})
        refused(answer, 503)
        assert answer.headers["Retry-After"] == "1"
        for text in CHEAP if path != "/Groups/.search" else ('displayName co "x"', ""):
            assert scim.call("POST", path, {"filter": text} if text else {}).status_code == 200
    assert scim.call("POST", path, {"filter": COSTLY}).status_code == 200
