"""Webhooks in the console: added, with the secret shown once, changed, tested, rotated and deleted."""

import re

from app.actions.audit.actor import OPERATOR
from app.actions.directory.webhooks import NewWebhook, WebhookView
from tests.management.face import Face
from tests.web.visitor import Visitor

URL = "https://hooks.example/latchkey"
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")


def webhooks(face: Face) -> list[WebhookView]:
    return face.core.actions.webhooks.page(100)[0]


def add(face: Face, *events: str) -> str:
    """Add a webhook, and return the path of its page."""
    view, _ = face.core.actions.webhooks.create(OPERATOR, NewWebhook(URL, "pager", events or ("*",)))
    return f"/console/webhooks/{view.id}"


def test_a_webhook_is_added_and_its_secret_shown_once(own_face: Face, own_operator: Visitor) -> None:
    assert "There is no webhook yet" in own_operator.get("/console/webhooks").text
    form = own_operator.get("/console/webhooks/new").text
    assert 'value="credential.expiring"' in form and 'value="user.create"' in form
    answer = own_operator.post("/console/webhooks", url=URL, name="pager", which="some", events=["user.create"])
    [secret] = set(SECRET.findall(answer.text))
    assert answer.status_code == 201 and answer.headers["Cache-Control"] == "no-store"
    [made] = webhooks(own_face)
    assert (made.name, made.url, made.events) == ("pager", URL, ("user.create",))
    for page in ("/console/webhooks", f"/console/webhooks/{made.id}", "/console/audit"):
        shown = own_operator.get(page).text
        assert secret not in shown and "pager" in shown


def test_what_is_wrong_is_said_beside_the_field_and_what_was_typed_is_kept(face: Face, operator: Visitor) -> None:
    operator.get("/console/webhooks/new")
    answer = operator.post("/console/webhooks", url="http://hooks.example/", name="x", which="some")
    assert answer.status_code == 422 and "hoose at least one" in answer.text
    answer = operator.post("/console/webhooks", url="http://hooks.example/", name="x", which="all")
    assert answer.status_code == 422 and "must be an https URL" in answer.text
    assert 'value="http://hooks.example/"' in answer.text


def test_a_webhook_is_changed_disabled_and_enabled(face: Face, operator: Visitor) -> None:
    page = add(face)
    operator.get(page)
    operator.post(page, url=URL, name="chat", which="some", events=["user.create", "user.delete"])
    assert 'data-status="disabled"' in operator.get(page).text
    operator.post(page, url=URL, name="chat", which="all", enabled="on")
    shown = operator.get(page).text
    assert 'data-status="active"' in shown and "chat" in shown and "everything" in shown
    answer = operator.post(page, url=URL, name="", which="all", enabled="on")
    assert answer.status_code == 422


def test_a_test_message_is_listed(face: Face, operator: Visitor) -> None:
    page = add(face, "user.create")
    operator.get(page)
    assert operator.post(f"{page}/test").status_code == 303
    shown = operator.get(page).text
    assert "webhook.test" in shown and 'data-status="waiting"' in shown


def test_a_rotated_secret_is_shown_once_with_the_end_of_the_old_one(face: Face, operator: Visitor) -> None:
    page = add(face)
    assert "0 ends it at once" in operator.get(f"{page}/rotate").text
    answer = operator.post(f"{page}/rotate", overlap_seconds="2", unit="days")
    assert len(set(SECRET.findall(answer.text))) == 1 and "2030-01-03 12:00:00 UTC" in answer.text
    assert operator.post(f"{page}/rotate", overlap_seconds="31", unit="days").status_code == 422


def test_a_webhook_is_deleted_after_a_question(face: Face, operator: Visitor) -> None:
    page = add(face)
    assert "is sent nothing any more" in operator.get(f"{page}/delete").text
    assert operator.post(f"{page}/delete").status_code == 303
    assert operator.get(page).status_code == 404
    assert "deleted the webhook" in operator.get("/console/audit").text
