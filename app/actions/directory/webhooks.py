"""Webhooks: the URLs of operators that are sent audit events and notices (Standard Webhooks)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field
from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from app.actions.audit.actor import Actor
from app.actions.audit.chain import lock_head
from app.actions.audit.event_types import TYPES
from app.actions.audit.record import record
from app.actions.directory.changes import UNSET, Unset, assign, changed_fields
from app.actions.directory.escalation import refuse_delegates
from app.actions.directory.fields import Name, Word
from app.actions.directory.names import checked_name
from app.actions.directory.rows import Found, ListQuery, Page, Rows, by_number, view_of
from app.actions.outbox.enqueue import WEBHOOK, Notice, enqueue
from app.actions.outbox.messages import DELIVERED, end_all
from app.actions.outbox.notice_types import ALL_EVENTS, NOTICES, TEST
from app.actions.trust.registration import LONGEST_URI, checked_jwks_uri
from app.clock import Clock
from app.crypto.webhook_secrets import WebhookSecrets
from app.database.store import Store
from app.database.types import new_id
from app.errors import Conflict, Invalid
from app.models import OutboxMessage, Webhook
from app.models.names import LONGEST_NAME

TARGET = "webhook"
MOST_WEBHOOKS = 50  # each event is written once for each of them
MOST_TYPES = 200
OVERLAP, LONGEST_OVERLAP = 86_400, 30 * 86_400  # seconds
EVENT_TYPES = frozenset({ALL_EVENTS, *TYPES, *NOTICES})
CANCELLED = "not delivered: the webhook was disabled"
WEBHOOKS = Rows(
    Webhook,
    "there is no such webhook",
    orders={"name": func.lower(Webhook.name), "created_at": by_number(Webhook.created_at)},
    searched=(Webhook.name, Webhook.url),
)
MESSAGES = Rows(OutboxMessage, "there is no such message")
WebhookStatus = Literal["active", "failing", "disabled"]
DeliveryStatus = Literal["waiting", "delivered", "failed"]
Events = Annotated[
    tuple[Word, ...],
    Field(min_length=1, max_length=MOST_TYPES, description="types of audit events and notices; * for all of them"),
]
Url = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_URI, description="an https URL; never of a private network by default"),
]


@dataclass(frozen=True, slots=True)
class NewWebhook:
    """A URL, and what it is sent; its name is by default its host."""

    url: Url
    name: Annotated[Name | None, Field(description="what you call it; by default its host")] = None
    events: Events = (ALL_EVENTS,)


@dataclass(frozen=True, slots=True)
class WebhookChanges:
    """Changes of a webhook; a field left UNSET is not changed."""

    name: Name | Unset = UNSET
    url: Url | Unset = UNSET
    events: Events | Unset = UNSET
    enabled: bool | Unset = UNSET


@dataclass(frozen=True, slots=True)
class SecretOverlap:
    """How long the old secret signs beside the new one."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = OVERLAP


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook as it is shown, never its secret; `failing_since` is when it began to accept no message."""

    id: str
    name: str
    url: str
    events: tuple[str, ...]
    enabled: bool
    status: WebhookStatus
    disabled_reason: str | None
    created_at: datetime
    delivered_at: datetime | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """A message to a webhook: how often it was attempted, and with what result the last time."""

    id: str
    type: str
    status: DeliveryStatus
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    ended_at: datetime | None
    result: str | None


class WebhookActions:
    """Create, list, change, rotate, test and delete webhooks."""

    sorts: ClassVar = WEBHOOKS.sorts

    def __init__(self, store: Store, secrets: WebhookSecrets, clock: Clock, *, allow_private: bool) -> None:
        self._store = store
        self._secrets = secrets
        self._clock = clock
        self._private = allow_private

    def create(self, actor: Actor, new: NewWebhook) -> tuple[WebhookView, str]:
        """Add a webhook, and return its secret. Raises Forbidden, Invalid, Conflict."""
        refuse_delegates(actor)
        now, url, events = self._clock(), self._checked_url(new.url), _checked_events(new.events)
        name = checked_name(_host_of(url) if new.name is None else new.name)
        secret, sealed = self._secrets.make()
        row = Webhook(id=new_id("whk"), name=name, url=url, events=events, sealed_secret=sealed, created_at=now)
        with self._store.transaction() as session:
            if (session.scalar(select(func.count(Webhook.id))) or 0) >= MOST_WEBHOOKS:
                raise Conflict(f"there are at most {MOST_WEBHOOKS} webhooks: delete one first")
            session.add(row)
            self._record(session, actor, "webhook.create", row, host=_host_of(url), events=events)
            session.flush()
            return _view(row), secret

    def change(self, actor: Actor, webhook_id: str, changes: WebhookChanges) -> WebhookView:
        """Change a webhook. Enabling it ends its pause; disabling it drops what waits. Raises NotFound, Invalid."""
        refuse_delegates(actor)
        with self._store.transaction() as session:
            row = _load(session, webhook_id, lock=True)
            assign(row, changes, "enabled", name=checked_name, url=self._checked_url, events=_checked_events)
            if changes.enabled is True:
                row.disabled_reason = row.failing_since = row.paused_until = None
                row.failures = 0
            elif changes.enabled is False:
                end_all(session, WEBHOOK, row.id, self._clock(), CANCELLED)
            self._record(session, actor, "webhook.update", row, changed=changed_fields(changes))
            session.flush()
            return _view(row)

    def rotate(self, actor: Actor, webhook_id: str, overlap_seconds: int = OVERLAP) -> tuple[WebhookView, str]:
        """Replace the secret and return the new one; both sign until the overlap ends. Raises NotFound, Invalid."""
        refuse_delegates(actor)
        if not 0 <= overlap_seconds <= LONGEST_OVERLAP:
            raise Invalid.field("overlap_seconds", f"must be 0 to {LONGEST_OVERLAP}")
        with self._store.transaction() as session:
            row = _load(session, webhook_id, lock=True)
            row.sealed_former_secret = row.sealed_secret if overlap_seconds else None
            row.former_ends_at = self._clock() + timedelta(seconds=overlap_seconds) if overlap_seconds else None
            secret, row.sealed_secret = self._secrets.make()
            self._record(session, actor, "webhook.rotate", row, overlap_seconds=overlap_seconds)
            session.flush()
            return _view(row), secret

    def test(self, actor: Actor, webhook_id: str) -> DeliveryView:
        """Add a test message, which is sent at once. Raises NotFound, Conflict."""
        now = self._clock()
        with self._store.transaction() as session:
            row = _load(session, webhook_id, lock=True)
            if not row.enabled:
                raise Conflict("the webhook is disabled: enable it first")
            row.paused_until = None
            data = {"webhook": row.id, "name": row.name, "actor_type": actor.type, "actor": actor.id}
            enqueue(session, WEBHOOK, row.id, Notice(TEST, TEST, data, now))
            newest = select(OutboxMessage).where(*_sent_to(row.id)).order_by(OutboxMessage.id.desc()).limit(1)
            return _delivery_view(session.scalars(newest).one())

    def delete(self, actor: Actor, webhook_id: str) -> None:
        """Delete a webhook and what it was sent. Raises NotFound."""
        with self._store.transaction() as session:
            row = _load(session, webhook_id, lock=True)
            session.delete(row)
            self._record(session, actor, "webhook.delete", row)
            session.flush()
            lock_head(session.connection())  # no event is being written for it any more
            session.connection().execute(delete(OutboxMessage).where(*_sent_to(webhook_id)))

    def get(self, webhook_id: str) -> WebhookView:
        """Return one. Raises NotFound."""
        with self._store.reading() as session:
            return _view(_load(session, webhook_id))

    def page(self, limit: int, after: str | None = None) -> Page[WebhookView]:
        """List the webhooks, oldest first."""
        with self._store.reading() as session:
            return WEBHOOKS.page(session, limit, after, _view)

    def search(self, wanted: ListQuery) -> Found[WebhookView]:
        """Return a part of the sorted list."""
        with self._store.reading() as session:
            return WEBHOOKS.search(session, wanted, _view)

    def deliveries(self, webhook_id: str, limit: int, after: str | None = None) -> Page[DeliveryView]:
        """List the messages to a webhook, newest first. Raises NotFound."""
        with self._store.reading() as session:
            _load(session, webhook_id)
            before = None if after is None else select(OutboxMessage.id).where(OutboxMessage.message_id == after)
            older = None if before is None else OutboxMessage.id < before.scalar_subquery()
            shown, last = MESSAGES.page(
                session, limit, None, _delivery_view, *_sent_to(webhook_id), older, newest_first=True
            )
        return shown, None if last is None else shown[-1].id

    def _checked_url(self, url: str) -> str:
        return checked_jwks_uri(url, private=self._private, field="url")

    def _record(self, session: Session, actor: Actor, action: str, row: Webhook, **details: object) -> None:
        record(session, actor, action, TARGET, row.id, self._clock(), name=row.name, **details)


def _sent_to(webhook_id: str) -> tuple[ColumnElement[bool], ...]:
    return OutboxMessage.recipient == webhook_id, OutboxMessage.channel == WEBHOOK


def _load(session: Session, webhook_id: str, *, lock: bool = False) -> Webhook:
    return WEBHOOKS.load(session, Webhook.id == webhook_id, lock=lock)


def _host_of(url: str) -> str:
    """Return the host: the path and the query of a webhook's URL may be secret, and are in no event."""
    return urlsplit(url).hostname or ""


def _checked_events(events: Sequence[str]) -> list[str]:
    if not 1 <= len(events) <= MOST_TYPES:
        raise Invalid.field("events", f"must be 1 to {MOST_TYPES} types of events, or {ALL_EVENTS} for all")
    for one in events:
        if one not in EVENT_TYPES:
            shown = one[:LONGEST_NAME]
            raise Invalid.field(
                "events", f"'{shown}' is not a valid type: use {ALL_EVENTS}, or one such as user.create"
            )
    return [ALL_EVENTS] if ALL_EVENTS in events else sorted(set(events))


def _view(row: Webhook) -> WebhookView:
    status: WebhookStatus = "disabled" if not row.enabled else "failing" if row.failing_since else "active"
    return view_of(WebhookView, row, status=status, events=tuple(row.events))


def _delivery_view(row: OutboxMessage) -> DeliveryView:
    status: DeliveryStatus = "waiting"
    if row.ended_at is not None:
        status = "delivered" if (row.result or "").startswith(f"{DELIVERED}:") else "failed"
    again = None if row.ended_at else row.next_attempt_at
    return view_of(DeliveryView, row, id=row.message_id, status=status, next_attempt_at=again)


def delete_former_secrets(session: Session, at: datetime) -> None:
    """Delete the former secrets for which the overlap of the rotation has ended."""
    over = update(Webhook).where(Webhook.former_ends_at <= at)
    session.connection().execute(over.values(sealed_former_secret=None, former_ends_at=None))


def end_undeliverable(session: Session, at: datetime) -> None:
    """End what waits for a webhook that is not enabled, or gone: it was being written when that changed."""
    row, enabled = OutboxMessage, select(Webhook.id).where(Webhook.enabled)
    waiting = row.channel == WEBHOOK, row.ended_at.is_(None), row.recipient.not_in(enabled)
    session.connection().execute(update(row).where(*waiting).values(ended_at=at, result=CANCELLED, leased_until=None))


def described_types() -> Mapping[str, str]:
    """Return what each type is called."""
    return {name: type.label for name, type in TYPES.items()} | NOTICES
