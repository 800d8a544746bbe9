"""Choose the messages that webhooks are sent next: none that fails, and no backlog, delays the others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import zip_longest

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session

from app.actions.outbox.enqueue import WEBHOOK
from app.actions.outbox.messages import find_heads
from app.models import Webhook

MOST_OF_ONE = 3  # messages that one process sends to a webhook at the same time; 1 to one that fails
MOST_FAILING = 2  # messages that it sends to all that fail
MOST_LOOKED_AT = 4  # failing webhooks whose backlogs one search goes through


def is_ready(at: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for a webhook to be sent something now."""
    return Webhook.enabled.is_(True), or_(Webhook.paused_until.is_(None), Webhook.paused_until <= at)


class Turns:
    """The webhooks take turns, and so do the order keys of each; one object per server process."""

    def __init__(self) -> None:
        """Begin with the first webhook."""
        self._last = ""
        self._looked_at = ""  # the last failing webhook whose backlog was gone through
        self._keys: dict[str, str | None] = {}  # the last order key of each webhook

    def find(self, session: Session, at: datetime, room: int, busy: Mapping[str, int], failing: int) -> list[int]:
        """Return the ids of at most `room` messages to send.

        `busy` has how many are being sent to each webhook, and `failing` how many of them to failing ones.
        """
        found, spare = dict[str, list[int]](), MOST_FAILING - failing
        for webhook_id, fails in self._ready(session, at, spare):
            most = min(room, (min(1, spare) if fails else MOST_OF_ONE) - busy.get(webhook_id, 0))
            if most > 0 and (ids := self._find_heads(session, webhook_id, at, most)):
                found[webhook_id] = ids
                spare -= fails
        self._last = [self._last, *found][: room + 1][-1]  # the next search begins behind it
        return [one for turn in zip_longest(*found.values()) for one in turn if one is not None][:room]

    def _ready(self, session: Session, at: datetime, spare: int) -> list[tuple[str, bool]]:
        """Return the webhooks that may be sent something, and whether each failed the last time.

        Few failing ones take part, in turn, and come first: the backlogs of all would delay the others.
        """
        rows = session.execute(select(Webhook.id, Webhook.failing_since).where(*is_ready(at)).order_by(Webhook.id))
        good, failing = list[str](), list[str]()
        for row in rows:
            (failing if row.failing_since else good).append(row.id)
        tried = sorted(failing, key=lambda one: one <= self._looked_at)[: MOST_LOOKED_AT if spare > 0 else 0]
        self._looked_at = [self._looked_at, *tried][-1]
        others = sorted(good, key=lambda one: one <= self._last)
        return [(one, True) for one in tried] + [(one, False) for one in others]

    def _find_heads(self, session: Session, webhook_id: str, at: datetime, most: int) -> list[int]:
        ids, self._keys[webhook_id] = find_heads(session, WEBHOOK, webhook_id, at, most, self._keys.get(webhook_id))
        return ids
