"""Deliver the messages of webhooks: at least once each, in order for one credential, by one server process at a time.

A message is leased, sent, and then ended or put back; a process that is killed meanwhile leaves a lease that ends. A
webhook that fails is paused and then sent one message at a time, and all that fail never take every thread, so that
they do not delay the others. One that accepts nothing for RETRIED, or not one message, is disabled, and so is one that
answers 410 (Gone).
"""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.actions.audit.actor import SERVER
from app.actions.audit.record import record
from app.actions.notices.turns import Turns, is_ready
from app.actions.outbox.enqueue import WEBHOOK
from app.actions.outbox.messages import (
    DELIVERED,
    RETRIED,
    Lease,
    end_all,
    end_message,
    has_due_messages,
    is_given_up,
    lease_messages,
    pause_after,
    retry_message,
    still_due,
)
from app.actions.trust.post import Answer, Post
from app.clock import Clock
from app.crypto.webhook_secrets import WebhookSecrets
from app.database.locks import for_update
from app.database.store import Store
from app.errors import BadSettings
from app.models import OutboxMessage, Webhook

INTERVAL = 1.0  # seconds between two looks at the outbox
MOST_AT_ONCE = 4  # messages that one process sends at the same time
LONGEST_PAUSE = timedelta(minutes=5)  # of a webhook; its messages wait longer
GONE = 410
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Job:
    """A message, and where and how it is sent."""

    lease: Lease
    url: str
    secrets: tuple[bytes, ...]
    failing: bool


@dataclass(frozen=True, slots=True)
class _Sending:
    """A thread that sends a message."""

    thread: threading.Thread
    job: _Job


class WebhookDelivery:
    """Sends what is due; one object per server process."""

    def __init__(
        self, store: Store, secrets: WebhookSecrets, post: Post, clock: Clock, interval: float = INTERVAL
    ) -> None:
        """Take the seconds between two looks at the outbox as `interval`."""
        self._store = store
        self._secrets = secrets
        self._post = post
        self._clock = clock
        self._interval = interval
        self._stopping = threading.Event()
        self._freed = threading.Event()  # there may be room for another message
        self._sending: list[_Sending] = []
        self._turns = Turns()

    def start(self) -> None:
        """Start the thread; call it once per process."""
        threading.Thread(target=self._run, name="webhooks", daemon=True).start()

    def stop(self) -> None:
        """Begin no further attempt, at a clean stop of the process."""
        self._stopping.set()
        self._freed.set()

    def deliver_due(self) -> int:
        """Attempt some of the messages that are due, each once, and return how many."""
        begun = self.begin_due()
        for one in begun:
            one.thread.join()
        return len(begun)

    def begin_due(self) -> list[_Sending]:
        """Begin to send some of the messages that are due, as many as there is room for."""
        self._sending = [one for one in self._sending if one.thread.is_alive()]
        jobs = self._lease()
        begun = [_Sending(threading.Thread(target=self._deliver, args=(job,), daemon=True), job) for job in jobs]
        self._sending += begun
        for one in begun:
            one.thread.start()
        return begun

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._freed.clear()
            try:
                begun = self.begin_due()
            except SQLAlchemyError:
                begun = []
                log.warning("the messages of webhooks wait for the database")
            if not begun:
                self._freed.wait(self._interval)

    def _lease(self) -> list[_Job]:
        now, room = self._clock(), MOST_AT_ONCE - len(self._sending)
        if room <= 0:
            return []
        with self._store.reading() as session:  # most looks find nothing: they write nothing
            ids = self._find(session, now, room) if has_due_messages(session, WEBHOOK, now) else []
        if not ids:
            return []
        with self._store.transaction() as session:
            due = still_due(ids, now).join(Webhook, Webhook.id == OutboxMessage.recipient).where(*is_ready(now))
            return [_job(session, lease, now) for lease in lease_messages(session, due, now)]

    def _find(self, session: Session, now: datetime, room: int) -> list[int]:
        busy = Counter(one.job.lease.recipient for one in self._sending)
        return self._turns.find(session, now, room, busy, sum(one.job.failing for one in self._sending))

    def _deliver(self, job: _Job) -> None:
        try:
            answer = self._send(job)
            with self._store.transaction() as session:
                self._settle(session, job.lease, answer)
        except SQLAlchemyError:
            log.warning("the result of a message is not stored: it is sent again when its lease ends")
        finally:
            self._freed.set()

    def _send(self, job: _Job) -> Answer:
        body = render_body(job.lease)
        try:
            signed = self._secrets.sign(job.secrets, job.lease.message_id, self._clock(), body)
        except BadSettings:
            return Answer(None, "SECRET_KEY does not open the secret of the webhook")
        return self._post(job.url, {"Content-Type": "application/json", "User-Agent": "Latchkey", **signed}, body)

    def _settle(self, session: Session, lease: Lease, answer: Answer) -> None:
        now = self._clock()
        webhook = _load(session, lease.recipient)
        if webhook is None:
            return
        said = answer.problem or f"HTTP {answer.status}"
        if answer.accepted:
            if end_message(session, lease, now, f"{DELIVERED}: {said}"):
                webhook.delivered_at, webhook.failing_since, webhook.failures, webhook.paused_until = now, None, 0, None
        elif retry_message(session, lease, now, said):
            _note_failure(webhook, now)
            if answer.status == GONE:
                disable_failed(session, webhook, now, "it answered 410 (Gone)")
            elif is_given_up(lease, now) or now >= (webhook.failing_since or now) + RETRIED:
                disable_failed(session, webhook, now, f"it failed for {RETRIED.days} days: {said}")


def render_body(lease: Lease) -> str:
    """Return the JSON that is sent, the same in each attempt (Standard Webhooks)."""
    at = lease.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    body: Mapping[str, object] = {"type": lease.type, "timestamp": at, "data": lease.payload}
    return json.dumps(body, separators=(",", ":"))


def disable_failed(session: Session, webhook: Webhook, at: datetime, reason: str) -> None:
    """Disable a webhook that does not accept its messages, end these, and record it."""
    webhook.enabled, webhook.disabled_reason = False, reason
    end_all(session, WEBHOOK, webhook.id, at, "not delivered: the webhook was disabled")
    record(session, SERVER, "webhook.disabled", "webhook", webhook.id, at, name=webhook.name, reason=reason)


def _job(session: Session, lease: Lease, at: datetime) -> _Job:
    webhook = session.get_one(Webhook, lease.recipient)
    former = webhook.sealed_former_secret if webhook.former_ends_at and webhook.former_ends_at > at else None
    secrets = tuple(one for one in (webhook.sealed_secret, former) if one is not None)
    return _Job(lease, webhook.url, secrets, webhook.failing_since is not None)


def _load(session: Session, webhook_id: str) -> Webhook | None:
    return session.scalar(for_update(select(Webhook).where(Webhook.id == webhook_id), Webhook))


def _note_failure(webhook: Webhook, at: datetime) -> None:
    webhook.failures += 1
    webhook.failing_since = webhook.failing_since or at
    webhook.paused_until = at + min(pause_after(webhook.failures), LONGEST_PAUSE)
