"""Add messages to the outbox in the caller's transaction: they exist if, and only if, the change is committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, insert, select
from sqlalchemy.orm import Session

from app.actions.outbox.notice_types import ALL_EVENTS
from app.database.redaction import redact_value
from app.database.types import new_id
from app.models import OutboxMessage, Webhook

WEBHOOK, MAIL = "webhook", "mail"  # the channels
EVENT_FIELDS = ("actor_type", "actor", "actor_name", "target_type", "target", "address", "request_id", "details")
has_webhooks = select(Webhook.id).where(Webhook.enabled).exists().label("has_webhooks")
_SUBSCRIBED = select(Webhook.id, Webhook.events).where(Webhook.enabled).order_by(Webhook.id)


@dataclass(frozen=True, slots=True)
class Notice:
    """What a message says: its type, what it is about (JSON, never a secret), and when that happened.

    Notices with the same `order_key`, the id of a credential or of another target, are delivered in order.
    """

    type: str
    order_key: str
    data: Mapping[str, Any]
    at: datetime


def enqueue(session: Session, channel: str, recipient: str, notice: Notice) -> None:
    """Add one message to a recipient: the id of a user for MAIL, of a webhook for WEBHOOK."""
    _insert(session.connection(), [_message(channel, recipient, notice)])


def notify_webhooks(session: Session, notice: Notice) -> None:
    """Add a message to each enabled webhook that subscribes to this type."""
    _notify(session.connection(), [notice])


def enqueue_events(connection: Connection, events: Iterable[Mapping[str, Any]]) -> None:
    """Add audit events, as they are stored, to the outbox of each webhook that subscribes to their types."""
    _notify(connection, [_notice_of(event) for event in events])


def _notice_of(event: Mapping[str, Any]) -> Notice:
    data = {"id": str(event["id"])} | {name: event[name] for name in EVENT_FIELDS}
    return Notice(event["action"], event["target"], data, event["at"])


def _notify(connection: Connection, notices: Sequence[Notice]) -> None:
    subscribed = connection.execute(_SUBSCRIBED).all()
    _insert(
        connection,
        [
            _message(WEBHOOK, webhook_id, notice)
            for notice in notices
            for webhook_id, types in subscribed
            if notice.type in types or ALL_EVENTS in types
        ],
    )


def _insert(connection: Connection, messages: Sequence[Mapping[str, Any]]) -> None:
    if messages:
        connection.execute(insert(OutboxMessage), messages)


def _message(channel: str, recipient: str, notice: Notice) -> dict[str, Any]:
    return {
        "message_id": new_id("msg"),
        "channel": channel,
        "recipient": recipient,
        "order_key": notice.order_key,
        "type": notice.type,
        "payload": redact_value(dict(notice.data)),
        "created_at": notice.at,
        "attempts": 0,
        "next_attempt_at": notice.at,
    }
