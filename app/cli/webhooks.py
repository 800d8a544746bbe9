"""`latchkey webhook`: URLs that are sent audit events and notices."""

from __future__ import annotations

import click

from app.actions.audit.actor import OPERATOR
from app.actions.directory.webhooks import OVERLAP, NewWebhook, WebhookChanges
from app.cli.actions import list_all, open_actions
from app.cli.completion import WEBHOOKS
from app.cli.options import Duration
from app.cli.output import json_option, print_done, print_record, print_records, print_secret
from app.cli.parsing import Group
from app.cli.record_options import Option, options_of
from app.cli.standard_streams import refuse_unwritable

MESSAGE_COLUMNS = ("id", "type", "status", "created_at", "attempts", "next_attempt_at", "ended_at", "result")
COLUMNS = ("id", "name", "url", "events", "status", "delivered_at", "failing_since")


@click.group("webhook", cls=Group)
def webhook() -> None:
    """Webhooks: create, list, show, update, rotate-secret, test, deliveries, delete."""


@webhook.command()
@options_of(
    NewWebhook,
    url="The https URL to which messages are sent.",
    name="What you call it; the URL's host when omitted.",
    events=Option("A type of audit event or notice that it is sent; all of them when omitted.", "--event"),
)
@json_option
def create(new: NewWebhook, as_json: bool) -> None:
    """Add a webhook and print the secret that signs its messages, alone, on stdout."""
    webhooks = open_actions().webhooks
    view, secret = webhooks.create(OPERATOR, new)

    def undo() -> str:
        webhooks.delete(OPERATOR, view.id)
        return f"the webhook {view.id} is deleted"

    print_secret(as_json, view, "secret", secret, f"Webhook {view.id} to {view.url}.", undo)


@webhook.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the webhooks."""
    print_records(as_json, list_all(open_actions().webhooks.page), COLUMNS)


@webhook.command()
@click.argument("webhook_id", metavar="ID", shell_complete=WEBHOOKS)
@json_option
def show(webhook_id: str, as_json: bool) -> None:
    """Show a webhook, never its secret."""
    print_record(as_json, open_actions().webhooks.get(webhook_id))


@webhook.command()
@click.argument("webhook_id", metavar="ID", shell_complete=WEBHOOKS)
@options_of(
    WebhookChanges,
    name="What you call it.",
    url="The https URL to which messages are sent.",
    events=Option("A type that it is sent, or * for all; replaces the current ones.", "--event"),
    enabled=Option("Whether it is sent anything; disabling it drops what waits.", "--enable/--disable"),
)
@json_option
def update(changes: WebhookChanges, webhook_id: str, as_json: bool) -> None:
    """Change a webhook; fields that are not given keep their values."""
    print_record(as_json, open_actions().webhooks.change(OPERATOR, webhook_id, changes))


@webhook.command("rotate-secret")
@click.argument("webhook_id", metavar="ID", shell_complete=WEBHOOKS)
@click.option(
    "--overlap", type=Duration(), default=OVERLAP, show_default="1d", help="How long the old secret signs too."
)
@json_option
def rotate_secret(webhook_id: str, overlap: int, as_json: bool) -> None:
    """Replace the secret of a webhook and print the new one, alone, on stdout."""
    refuse_unwritable()
    webhooks = open_actions().webhooks
    view, secret = webhooks.rotate(OPERATOR, webhook_id, overlap)
    note = f"Webhook {view.id}; its old secret signs for {overlap} s more."
    print_secret(as_json, view, "secret", secret, note, lambda: f"rotate the secret of {webhook_id} again")


@webhook.command()
@click.argument("webhook_id", metavar="ID", shell_complete=WEBHOOKS)
@json_option
def test(webhook_id: str, as_json: bool) -> None:
    """Send a test message, by the running server; `deliveries` says whether it arrived."""
    print_record(as_json, open_actions().webhooks.test(OPERATOR, webhook_id))


@webhook.command()
@click.argument("webhook_id", metavar="ID", shell_complete=WEBHOOKS)
@json_option
def deliveries(webhook_id: str, as_json: bool) -> None:
    """List the messages to a webhook, newest first, with their results."""
    webhooks = open_actions().webhooks
    found = list_all(lambda limit, after: webhooks.deliveries(webhook_id, limit, after))
    print_records(as_json, found, MESSAGE_COLUMNS)


@webhook.command()
@click.argument("webhook_id", metavar="ID", shell_complete=WEBHOOKS)
@json_option
def delete(webhook_id: str, as_json: bool) -> None:
    """Delete a webhook and its messages."""
    open_actions().webhooks.delete(OPERATOR, webhook_id)
    print_done(as_json, f"The webhook {webhook_id} is deleted.", id=webhook_id)
