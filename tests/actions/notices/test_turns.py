"""A receiver that is away, slow or wrong costs the others nothing, and its backlog is bounded and ends."""

import json
from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, update

from app.actions.audit.actor import OPERATOR
from app.actions.directory.users import UserChanges
from app.actions.directory.webhooks import WebhookChanges
from app.actions.notices.turns import MOST_LOOKED_AT
from app.actions.notices.webhook_delivery import MOST_AT_ONCE
from app.actions.outbox.messages import KEPT, MOST_KEYS, RETRIED, find_heads
from app.maintenance.retention import Retention
from app.models import OutboxMessage, Webhook
from tests.actions.notices.conftest import Hooks
from tests.contract.waiting import until
from tests.oauth.refusing import statements
from tests.receiver import HANG, Receiver, receiving

pytestmark = pytest.mark.both_databases
USERS = 12
NOWHERE = "http://127.0.0.1:9/"


@pytest.fixture
def hanging() -> Iterator[Receiver]:
    """A receiver that takes a message and never answers."""
    with receiving() as made:
        made.answers = HANG
        yield made


def change_users(hooks: Hooks, count: int) -> None:
    """Write an event about each of so many users."""
    for number in range(count):
        user = hooks.core._rows.get(f"user{number}") or hooks.core.user(f"user{number}")
        hooks.core.actions.users.change(OPERATOR, user, UserChanges(display_name=f"{hooks.core.clock()}"))


def waiting(hooks: Hooks) -> int:
    with hooks.core.store.reading() as session:
        return session.scalar(select(func.count(OutboxMessage.id)).where(OutboxMessage.ended_at.is_(None))) or 0


def add_backlog(hooks: Hooks, webhook_id: str, count: int) -> None:
    """Add so many messages to a webhook, each about something else."""
    now = hooks.core.clock()
    shared = {"channel": "webhook", "recipient": webhook_id, "type": "user.update", "payload": {}, "attempts": 0}
    rows = [shared | {"message_id": f"msg_{n}", "order_key": f"usr_{n:06}"} for n in range(count)]
    with hooks.core.store.transaction() as session:
        session.connection().execute(insert(OutboxMessage), [row | times(now) for row in rows])


def times(now: object) -> dict[str, object]:
    return {"created_at": now, "next_attempt_at": now}


@pytest.mark.contract("a receiver that is away or slow delays no other one")
@pytest.mark.parametrize("failed", [False, True], ids=["for the first time", "again"])
def test_receivers_that_hang_leave_room_for_the_others(hooks: Hooks, hanging: Receiver, failed: bool) -> None:
    """One that never failed may take all threads but one; several that failed before take half of them."""
    for _ in range(6 if failed else 1):
        bad, _ = hooks.add("user.update", url=hanging.url)
    hooks.add("user.update")
    since = hooks.core.clock() if failed else None
    with hooks.core.store.transaction() as session:
        session.execute(update(Webhook).where(Webhook.url == hanging.url).values(failing_since=since))
    change_users(hooks, USERS)
    delivery = hooks.delivery(patience=30)
    delivery.start()
    until(lambda: len(hooks.receiver.sent) == USERS, 20)
    assert len(hanging.sent) == (MOST_AT_ONCE // 2 if failed else MOST_AT_ONCE - 1)
    assert {message.status for message in hooks.messages(bad)} == {"waiting"}
    delivery.stop()
    hanging.release.set()
    until(lambda: not any(one.thread.is_alive() for one in delivery._sending))


@pytest.mark.contract("a receiver that is away or slow delays no other one")
def test_a_backlog_costs_no_write_and_few_steps_while_its_webhook_is_paused(hooks: Hooks) -> None:
    away, _ = hooks.add("user.update", url=NOWHERE)
    add_backlog(hooks, away.id, 2_000)
    delivery = hooks.delivery()
    assert delivery.deliver_due() > 0
    with statements() as seen:
        assert delivery.deliver_due() == 0
    assert len([one for one in seen if "FROM outbox" in one]) == 1 and not [one for one in seen if "UPDATE" in one]
    hooks.add("user.update")
    change_users(hooks, 1)
    with statements() as seen:
        hooks.deliver(delivery)
    assert len(hooks.receiver.sent) == 1 and len([one for one in seen if "FROM outbox" in one]) < 20


@pytest.mark.contract("a receiver that is away or slow delays no other one")
def test_the_backlogs_of_many_that_fail_cost_a_search_few_steps_and_each_gets_its_turn(hooks: Hooks) -> None:
    """The first messages of their backlogs wait for the next attempt: a search goes through them and finds nothing."""
    away = [hooks.add("user.create", url=NOWHERE)[0].id for _ in range(MOST_LOOKED_AT * 3)]
    hooks.add("user.update")
    with hooks.core.store.transaction() as session:
        session.execute(update(Webhook).where(Webhook.id.in_(away)).values(failing_since=hooks.core.clock()))
    for webhook_id in away:
        add_backlog(hooks, webhook_id, MOST_KEYS)
    with hooks.core.store.transaction() as session:
        session.execute(update(OutboxMessage).values(next_attempt_at=hooks.core.clock() + timedelta(hours=1)))
    change_users(hooks, 1)
    delivery = hooks.delivery()
    with statements() as seen:
        assert delivery.deliver_due() == 1
    assert len([one for one in seen if "FROM outbox" in one]) < (MOST_LOOKED_AT + 1) * (MOST_KEYS + 2)
    hooks.core.clock.advance(hours=1)
    hooks.deliver(delivery)
    assert all(any(message.attempts for message in hooks.messages(hooks.actions.get(one))) for one in away)


@pytest.mark.contract("retried for three days with growing pauses, then disabled with a notice")
def test_one_that_is_away_while_much_happens_is_disabled_after_three_days_and_its_backlog_goes(hooks: Hooks) -> None:
    """Each attempt may be of another message: it is the webhook that fails for three days."""
    away, _ = hooks.add("user.update", url=NOWHERE)
    other, _ = hooks.add("webhook.disabled")
    began, delivery = hooks.core.clock(), hooks.delivery()
    add_backlog(hooks, away.id, 500)
    while hooks.actions.get(away.id).enabled:
        change_users(hooks, 1)
        hooks.deliver(delivery)
        hooks.core.clock.advance(hours=12)
        assert hooks.core.clock() <= began + RETRIED + timedelta(hours=12)
    hooks.deliver(delivery)
    assert [json.loads(sent.body)["type"] for sent in hooks.receiver.sent] == ["webhook.disabled"]
    assert waiting(hooks) == 0 and hooks.actions.get(other.id).status == "active"
    change_users(hooks, 1)
    assert waiting(hooks) == 0, "a disabled webhook gets no further message"
    hooks.core.clock.now += KEPT
    Retention(hooks.core.actions).sweep_all(lambda: True)
    assert hooks.core.count(OutboxMessage) == 0


def test_what_was_written_for_a_webhook_while_it_was_disabled_or_deleted_is_kept_no_longer(hooks: Hooks) -> None:
    """A transaction that began before, and commits after it, adds messages that nothing sends or ends."""
    (kept, _), (disabled, _), (gone, _) = (hooks.add("user.create") for _ in range(3))
    hooks.actions.change(OPERATOR, disabled.id, WebhookChanges(enabled=False))
    hooks.actions.delete(OPERATOR, gone.id)
    for webhook in (kept, disabled, gone):
        add_backlog(hooks, webhook.id, 2)
    sweep = Retention(hooks.core.actions).sweep_all
    sweep(lambda: True)
    assert [message.status for message in hooks.messages(kept)] == ["waiting"] * 2 and waiting(hooks) == 2
    hooks.core.clock.now += KEPT
    sweep(lambda: True)
    assert hooks.core.count(OutboxMessage) == 2


def test_the_order_keys_take_turns_from_the_last_one_in_a_bounded_number_of_steps(hooks: Hooks) -> None:
    webhook, _ = hooks.add("user.update")
    add_backlog(hooks, webhook.id, 3 * MOST_KEYS)
    now = hooks.core.clock()
    with hooks.core.store.reading() as session:
        seen, key = list[int](), None
        for _ in range(6 * MOST_KEYS // 4):
            ids, key = find_heads(session, "webhook", webhook.id, now, 4, key)
            seen += ids
        assert sorted(seen[: 3 * MOST_KEYS]) == sorted(seen[3 * MOST_KEYS :]) and len(set(seen)) == 3 * MOST_KEYS
        ids, _ = find_heads(session, "webhook", webhook.id, now, 1_000, key)
        assert len(ids) == MOST_KEYS
        assert find_heads(session, "webhook", webhook.id, now - timedelta(seconds=1), 4, None)[0] == []
