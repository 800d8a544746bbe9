"""/console/webhooks: webhooks, what they were sent, and their secrets."""

from __future__ import annotations

from datetime import timedelta

from flask import request, url_for
from werkzeug.wrappers import Response

from app.actions.audit.event_types import GROUPS, TYPES
from app.actions.directory.webhooks import (
    LONGEST_OVERLAP,
    MOST_WEBHOOKS,
    Events,
    NewWebhook,
    WebhookChanges,
    WebhookView,
)
from app.actions.outbox.notice_types import ALL_EVENTS, NOTICES
from app.actions.trust.registration import LONGEST_URI
from app.compose import Actions
from app.errors import Invalid, LatchkeyError
from app.web import form, lists, pages
from app.web.console.confirmation import ask
from app.web.page_routes import PageRoutes
from app.web.visitors import actor, require_operator

OFFERED = {"Notices": {name: label for name, label in NOTICES.items() if name not in TYPES}} | {
    subject: {name: one.label for name, one in types.items()} for subject, types in GROUPS.items()
}
CHANGE = "change"  # one of the two forms of a webhook's page
SHOWN_MESSAGES = 25  # rows

routes = PageRoutes("console_webhooks", "/console/webhooks", guard=require_operator)


@routes.get("")
def index(actions: Actions) -> Response:
    """List the webhooks."""
    return pages.render("console/webhooks.html", webhooks=actions.webhooks.page(MOST_WEBHOOKS)[0])


@routes.get("/new")
def new(actions: Actions) -> Response:
    """Ask for the URL of a new webhook, and what it is sent."""
    return _render_new()


@routes.post("")
def create(actions: Actions) -> Response:
    """Add a webhook, and show its secret this once."""
    try:
        name = form.read_name("name", required=False) or None
        webhook, secret = actions.webhooks.create(actor(actions), NewWebhook(_read_url(), name, _read_events()))
    except LatchkeyError as error:
        return _render_new(form.Refusal.of(error))
    return _render_secret(webhook, secret, 201)


@routes.get("/<row:webhook_id>")
def show(actions: Actions, webhook_id: str) -> Response:
    """Show a webhook and its messages."""
    return _render_webhook(actions, webhook_id)


@routes.post("/<row:webhook_id>")
def change(actions: Actions, webhook_id: str) -> Response:
    """Change a webhook."""
    try:
        wanted = form.is_checked("enabled")
        enabled = {} if wanted == actions.webhooks.get(webhook_id).enabled else {"enabled": wanted}
        changes = WebhookChanges(form.read_name("name"), _read_url(), _read_events(), **enabled)
        actions.webhooks.change(actor(actions), webhook_id, changes)
    except LatchkeyError as error:
        return _render_webhook(actions, webhook_id, form.Refusal.of(error, form=CHANGE))
    return pages.redirect_with("The webhook is changed.", ".show", webhook_id=webhook_id)


@routes.post("/<row:webhook_id>/test")
def send_test(actions: Actions, webhook_id: str) -> Response:
    """Send a test message."""
    try:
        actions.webhooks.test(actor(actions), webhook_id)
    except LatchkeyError as error:
        return _render_webhook(actions, webhook_id, form.Refusal.of(error))
    message = "A test message is on its way: load the page again for its result."
    return pages.redirect_with(message, ".show", webhook_id=webhook_id)


@routes.get("/<row:webhook_id>/rotate")
def ask_to_rotate(actions: Actions, webhook_id: str) -> Response:
    """Ask how long the old secret signs too."""
    return _render_rotation(actions, webhook_id)


@routes.post("/<row:webhook_id>/rotate")
def rotate(actions: Actions, webhook_id: str) -> Response:
    """Replace the secret of a webhook, and show the new one this once."""
    try:
        seconds = form.read_duration("overlap_seconds", 0, LONGEST_OVERLAP, "unit") or 0
        webhook, secret = actions.webhooks.rotate(actor(actions), webhook_id, seconds)
    except LatchkeyError as error:
        return _render_rotation(actions, webhook_id, form.Refusal.of(error))
    return _render_secret(webhook, secret, 200, actions.clock() + timedelta(seconds=seconds))


@routes.get("/<row:webhook_id>/delete")
def ask_to_delete(actions: Actions, webhook_id: str) -> Response:
    """Ask before a webhook is deleted."""
    found = actions.webhooks.get(webhook_id)
    warning = f"{found.url} is sent nothing any more. Messages that wait are dropped."
    return ask("Delete", found.name, warning, url_for(".show", webhook_id=webhook_id))


@routes.post("/<row:webhook_id>/delete")
def delete(actions: Actions, webhook_id: str) -> Response:
    """Delete a webhook."""
    actions.webhooks.delete(actor(actions), webhook_id)
    return pages.redirect_with("The webhook is deleted.", ".index")


def _read_url() -> str:
    return form.read_line("url", LONGEST_URI)


def _read_events() -> Events:
    """Return the ticked types, or what stands for all, now and later; raises Invalid."""
    if form.read_choice("which", "all", "some") == "all":
        return (ALL_EVENTS,)
    ticked = form.checked_values("events")
    if not ticked:
        raise Invalid.field("events", "choose at least one")
    return ticked


def _render_new(refusal: form.Refusal | None = None) -> Response:
    return form.render("console/webhook_new.html", refusal, offered=OFFERED, picked=form.sent_values("events"))


def _render_webhook(actions: Actions, webhook_id: str, refusal: form.Refusal | None = None) -> Response:
    webhook = actions.webhooks.get(webhook_id)
    messages, cursor = actions.webhooks.deliveries(webhook_id, SHOWN_MESSAGES, lists.read_cursor())
    again = refusal is not None and refusal.form == CHANGE
    return form.render(
        "console/webhook.html",
        refusal,
        webhook=webhook,
        messages=messages,
        next_page=lists.next_page(cursor, ".show", webhook_id=webhook_id),
        offered=OFFERED,
        given=request.form if again else _values_of(webhook),
        picked=form.sent_values("events") if again else webhook.events,
        errors=form.errors_of(refusal, CHANGE),
        problems=form.errors_of(refusal),
    )


def _values_of(webhook: WebhookView) -> dict[str, str]:
    """Return the values of the form's fields."""
    fields = {"name": webhook.name, "url": webhook.url, "which": "all" if ALL_EVENTS in webhook.events else "some"}
    return fields | ({"enabled": "on"} if webhook.enabled else {})


def _render_rotation(actions: Actions, webhook_id: str, refusal: form.Refusal | None = None) -> Response:
    return form.render("console/webhook_rotate.html", refusal, webhook=actions.webhooks.get(webhook_id))


def _render_secret(webhook: WebhookView, secret: str, status: int, until: object = None) -> Response:
    """Render the only page that holds the secret; `no-store` keeps it out of caches and of the browser's history."""
    return pages.render("console/webhook_secret.html", status, webhook=webhook, secret=secret, until=until)
