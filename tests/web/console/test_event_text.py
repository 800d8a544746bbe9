"""Audit events in words: names with links, the last known name of what is gone, hostile and long names as text."""

import json
import re
from html import unescape
from typing import Any

import pytest

from app.actions.audit.actor import OPERATOR, SERVER, Actor, anonymous
from app.actions.audit.event_types import TYPES
from app.actions.audit.record import SEVERAL, record
from app.actions.directory.clients import ClientChanges
from app.models import AuditEvent
from app.web.console.event_text import EventText
from tests.core import ORDERS
from tests.management.face import Face
from tests.web.visitor import Visitor

ADA = Actor(type="user", id="usr_ada", name="ada")
TURNED = "evil\u202egnp.exe"


def say(actor: Actor, action: str, type: str, target: str, **details: Any) -> str:
    """Return the sentence of an event whose objects are all gone."""
    event = AuditEvent(
        actor_type=actor.type,
        actor=actor.id,
        actor_name=actor.name,
        action=action,
        target_type=type,
        target=target,
        details=details,
    )
    return EventText(event, {}).plain


@pytest.mark.parametrize(
    ("said", "event"),
    [
        ("ada created the API key key_1 for https://o.example", ("api_key.create", "api_key", "key_1")),
        ("ada deleted the role clerk", ("role.delete", "role", "role_1")),
        ("ada rotated the API key key_1; the old secret works for 2 days more", ("api_key.rotate", "api_key", "key_1")),
        ("ada changed the user usr_2: display name, password", ("user.update", "user", "usr_2")),
        ("ada created the token pat_1 of usr_2 with a, b, c and 1 more", ("personal_access_token.create", "", "pat_1")),
    ],
)
def test_a_sentence_has_the_values_of_its_event(said: str, event: tuple[str, str, str]) -> None:
    details: dict[str, dict[str, Any]] = {
        "api_key.create": {"resource": "https://o.example"},
        "role.delete": {"name": "clerk"},
        "api_key.rotate": {"overlap_seconds": 172_800},
        "user.update": {"changed": ["display_name", "password"], "roles": []},
        "personal_access_token.create": {"user": "usr_2", "scopes": "a b c d"},
    }
    assert say(ADA, *event, **details[event[0]]) == said


def test_what_an_event_lacks_is_left_out_of_its_sentence() -> None:
    assert say(ADA, "api_key.create", "api_key", "key_1") == "ada created the API key key_1"
    assert say(ADA, "personal_access_token.revoke", "personal_access_token", "pat_1", user="usr_ada") == (
        "ada revoked the token pat_1"
    )
    assert say(ADA, "user.update", "user", "usr_2", changed=[]) == "ada changed the user usr_2"
    assert say(ADA, "of.tomorrow", "gadget", "g_1") == "ada did of.tomorrow to the gadget g_1"


def test_who_has_no_name_is_described(face: Face) -> None:
    with face.app.test_request_context():
        assert say(SERVER, "signing_key.rotate", "signing_key", "kid-1").startswith("The server rotated")
    assert say(OPERATOR, "user.delete", "user", "usr_1", username="bob") == "The command line deleted the user bob"
    somebody = anonymous("192.0.2.1", None)
    leaked = say(somebody, "credential.report_leak", "personal_access_token", "pat_1")
    assert leaked == "Somebody reported the personal access token pat_1 as leaked, which ended it"
    reused = {"user": "usr_ada", "ended": True}
    assert say(somebody, "credential.reused", "grant", "grt_1", **reused) == (
        "A secret of the grant grt_1 of usr_ada was used after its end, which ended it"
    )
    assert say(somebody, "credential.reused", "api_key", "key_1", ended=False) == (
        "A secret of the API key key_1 was used after its end"
    )


def test_a_failed_authentication_names_the_account_or_none() -> None:
    somebody = anonymous("192.0.2.1", None)
    for target, merged, said in (
        ("importer", {}, "the client importer failed"),
        (f"unknown-9-{'0' * 16}", {}, "an unknown client failed"),
        (SEVERAL, {"merged": 12}, "several clients failed 12 times"),
    ):
        assert say(somebody, "authentication.fail", "client", target, **merged) == f"Authentication as {said}"


@pytest.mark.parametrize("action", TYPES)
@pytest.mark.parametrize(
    "details", [{}, {"user": 7, "changed": "x", "roles": {"a": 1}, "resource": None}, ["odd"], "x"]
)
def test_every_sentence_bears_details_of_any_form(action: str, details: Any) -> None:
    event = AuditEvent(
        actor_type="robot", actor="", actor_name="", action=action, target_type="odd", target="", details=details
    )
    text = EventText(event, {})
    assert "{" not in text.plain and "[" not in text.plain


def test_objects_are_named_and_linked_until_they_are_gone(own_face: Face, own_operator: Visitor) -> None:
    core = own_face.core
    core.role("robot", "machine", "orders:read")
    client = core.client("importer", "robot")
    core.actions.clients.change(OPERATOR, client, ClientChanges(name="Nightly import"))
    key, _ = core.key(ORDERS)
    core.role("clerk", "user", "orders:read")
    ann = core.user("ann", "clerk")
    core.pat("ann", "orders:read")
    page = own_operator.get("/console/audit").text
    assert (
        f'<a href="/console/clients/{client}"><bdi>Nightly import</bdi></a>: <bdi class="fw-medium">name</bdi>' in page
    )
    assert f'<a href="/console/api-keys/{key.id}"><bdi>a key</bdi></a> for <a href="/console/resources/' in page
    assert f'the token <a href="/console/users/{ann}#tokens"><bdi>laptop</bdi></a> of <a href=' in page
    core.actions.clients.delete(OPERATOR, client)
    page = own_operator.get("/console/audit").text
    assert 'deleted the client <bdi class="fw-medium">Nightly import</bdi>' in page
    assert 'changed the client <bdi class="fw-medium">importer</bdi>: <bdi' in page  # its client_id


def test_a_link_narrows_to_an_actor_an_object_and_a_type(face: Face, operator: Visitor) -> None:
    with face.core.store.transaction() as session:
        record(session, ADA, "role.create", "role", "role_9", face.core.clock(), name="nine")
        record(session, ADA, "role.create", "role", "role_8", face.core.clock(), name="eight")
    page = operator.get("/console/audit?action=role.create").text
    links = {unescape(link) for link in re.findall(r'href="(/console/audit\?[^"]+)"', page)}
    assert {
        "/console/audit?action=role.create&actor=usr_ada",
        "/console/audit?action=role.create&target=role_9",
    } <= links
    page = operator.get("/console/audit?target=role_9&actor=usr_ada").text
    assert 'Only by <bdi class="fw-medium">ada</bdi>' in page and 'Only about <bdi class="fw-medium">nine</bdi>' in page
    assert 'href="/console/audit?target=role_9" aria-label="Any actor"' in page
    assert "role_8" not in page and '<option value="role.create">Role created</option>' in page


def test_an_actor_is_found_by_a_name_that_is_typed(face: Face, operator: Visitor) -> None:
    user, client = face.core.user("grace"), face.core.client("a-machine")
    face.core.actions.clients.change(OPERATOR, client, ClientChanges(name="Press"))
    with face.core.store.transaction() as session:
        for actor in (Actor("user", user), Actor("client", "a-machine")):
            record(session, actor, "role.create", "role", "role_7", face.core.clock())
    for name, shown in (("GRACE", user), ("Press", "a-machine"), ("a-machine", "a-machine"), (user, user)):
        page = operator.get(f"/console/audit?by={name}&action=role.create").text
        assert f'<input type="hidden" name="actor" value="{shown}">' in page and page.count('<td class="wide">') == 1
    assert "No event matches" in operator.get("/console/audit?by=nobody-of-that-name").text


def test_the_last_day_is_included(face: Face, operator: Visitor) -> None:
    with face.core.store.transaction() as session:
        record(session, ADA, "role.create", "role", "role_last_day", face.core.clock())
    day = face.core.clock().date()
    within = operator.get(f"/console/audit?since={day}&until={day}").text
    assert "role_last_day" in within and f'value="{day}"' in within
    assert operator.get("/console/audit?until=9999-12-31").status_code == 200


def test_a_hostile_name_is_isolated_and_bounded(face: Face, operator: Visitor) -> None:
    with face.core.store.transaction() as session:
        for name in (TURNED, "n" * 200):
            record(session, ADA, "role.delete", "role", "role_6", face.core.clock(), name=name)
    page = operator.get("/console/audit?target=role_6").text
    assert f'<bdi class="fw-medium">{TURNED}</bdi>' in page
    assert f">{'n' * 79}…</bdi>" in page and f'title="{"n" * 200}"' in page


def test_an_event_is_shown_as_json(face: Face, operator: Visitor) -> None:
    with face.core.store.transaction() as session:
        record(session, ADA, "role.delete", "role", "role_5", face.core.clock(), name=TURNED, permissions=["é"])
    [event] = [one for one in face.core.trace("role.delete") if one.target == "role_5"]
    answer = operator.get(f"/console/audit/{event.id}")
    shown = unescape(answer.text.split("<pre", 1)[1].split("<code>", 1)[1].split("</code>", 1)[0])
    assert "\\u202e" in shown and "\u202e" not in shown and "é" in shown
    body = json.loads(shown)
    assert body["details"] == {"name": TURNED, "permissions": ["é"]} and body["hash"] == event.hash
    assert body["at"] == event.at.isoformat() and body["previous_hash"] == event.previous_hash
    for wrong in ("0", "999999999", "x", "9" * 30):
        assert operator.get(f"/console/audit/{wrong}").status_code == 404
