"""/webhooks: URLs of operators that are sent audit events and notices, signed (Standard Webhooks)."""

from __future__ import annotations

from typing import Any

from marshmallow import fields

from app.actions.directory.webhooks import (
    DeliveryView,
    NewWebhook,
    SecretOverlap,
    WebhookChanges,
    WebhookView,
)
from app.compose import Actions
from app.management.authorization import caller
from app.management.blueprint import Operations, add_secret, answer_created
from app.management.paging import PageQuery, answer_page, page_schema
from app.management.schemas import answer_schema, request_schema

operations = Operations("webhooks", "Webhooks, and what they were sent")

WebhookSchema = answer_schema(WebhookView)
MadeWebhookSchema = answer_schema(WebhookView, "MadeWebhook", secret=fields.String(required=True))
DeliverySchema = answer_schema(DeliveryView)
NewWebhookSchema = request_schema(NewWebhook)
WebhookChangesSchema = request_schema(WebhookChanges)
SecretOverlapSchema = request_schema(SecretOverlap)


@operations.get("/webhooks", page_schema(WebhookSchema), query=PageQuery)
def list_webhooks(actions: Actions, query: dict[str, Any]) -> Any:
    """List the webhooks"""
    return answer_page(actions.webhooks.page(**query))


@operations.post("/webhooks", MadeWebhookSchema, body=NewWebhookSchema)
def create_webhook(actions: Actions, new: NewWebhook) -> Any:
    """Add a webhook; its secret is answered once"""
    webhook, secret = actions.webhooks.create(caller(), new)
    return answer_created(actions, add_secret(webhook, secret=secret), f"/webhooks/{webhook.id}")


@operations.get("/webhooks/<row:webhook_id>", WebhookSchema)
def get_webhook(actions: Actions, webhook_id: str) -> Any:
    """Show a webhook"""
    return actions.webhooks.get(webhook_id)


@operations.patch("/webhooks/<row:webhook_id>", WebhookSchema, body=WebhookChangesSchema)
def change_webhook(actions: Actions, changes: WebhookChanges, webhook_id: str) -> Any:
    """Change a webhook; enabling it ends its pause, disabling it drops what waits"""
    return actions.webhooks.change(caller(), webhook_id, changes)


@operations.delete("/webhooks/<row:webhook_id>")
def delete_webhook(actions: Actions, webhook_id: str) -> None:
    """Delete a webhook and its messages"""
    actions.webhooks.delete(caller(), webhook_id)


@operations.post(
    "/webhooks/<row:webhook_id>/rotate-secret",
    MadeWebhookSchema,
    body=SecretOverlapSchema,
    body_required=False,
    status=200,
)
def rotate_webhook_secret(actions: Actions, overlap: SecretOverlap, webhook_id: str) -> Any:
    """Replace the secret of a webhook, answered once; the old one signs too until the overlap ends"""
    webhook, secret = actions.webhooks.rotate(caller(), webhook_id, overlap.overlap_seconds)
    return add_secret(webhook, secret=secret)


@operations.post("/webhooks/<row:webhook_id>/test", DeliverySchema, status=200)
def test_webhook(actions: Actions, webhook_id: str) -> Any:
    """Send a test message to a webhook; its result is among the deliveries"""
    return actions.webhooks.test(caller(), webhook_id)


@operations.get("/webhooks/<row:webhook_id>/deliveries", page_schema(DeliverySchema), query=PageQuery)
def list_deliveries(actions: Actions, query: dict[str, Any], webhook_id: str) -> Any:
    """List the messages to a webhook, newest first"""
    return answer_page(actions.webhooks.deliveries(webhook_id, **query))
