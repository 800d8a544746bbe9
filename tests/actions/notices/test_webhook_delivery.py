"""Webhooks are sent each event at least once, in order, signed and within bounds; to no private address by default."""

import json
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import func, select
from standardwebhooks import Webhook as Verifier

from app.actions.audit.actor import OPERATOR, anonymous
from app.actions.audit.chain import append_pending
from app.actions.audit.read import AuditFilter
from app.actions.audit.record import record
from app.actions.directory.users import UserChanges
from app.actions.directory.webhooks import SecretOverlap, WebhookChanges
from app.actions.notices.webhook_delivery import WebhookDelivery
from app.actions.outbox.messages import LEASE, PAUSES, RETRIED
from app.actions.trust.post import Post
from app.crypto.webhook_secrets import WebhookSecrets
from app.models import AuditEvent, OutboxMessage
from app.models import Webhook as WebhookRow
from tests.actions.notices.conftest import Hooks
from tests.receiver import HANG, LARGE, RESET

pytestmark = pytest.mark.both_databases


def verified(hooks: Hooks, secret: str, number: int = 0) -> dict[str, object]:
    """Return a body whose signature the library accepts; the receiver's clock is the server's."""
    sent = hooks.receiver.sent[number]
    at = datetime.fromtimestamp(int(sent.headers["webhook-timestamp"]), UTC)
    signed = Verifier(secret).sign(sent.headers["webhook-id"], at, sent.body.decode())
    assert signed in sent.headers["webhook-signature"].split(" ")
    body: dict[str, object] = json.loads(sent.body)
    return body


@pytest.mark.contract("webhooks are signed as Standard Webhooks say; a rotated secret signs too until its overlap ends")
def test_an_event_arrives_signed_as_the_trail_has_it(hooks: Hooks) -> None:
    webhook, secret = hooks.add("user.delete")
    user = hooks.core.user("bob")
    hooks.core.actions.users.delete(OPERATOR, user)
    hooks.deliver()
    [sent] = hooks.receiver.sent
    body = verified(hooks, secret)
    [event] = hooks.core.actions.audit.page(AuditFilter(action="user.delete"), 1, None)[0]
    assert (body["type"], body["timestamp"]) == ("user.delete", "2030-01-01T12:00:00.750000Z")
    assert body["data"] == {
        "id": str(event.id),
        "actor_type": "operator",
        "actor": "cli",
        "actor_name": "command line",
        "target_type": "user",
        "target": user,
        "address": None,
        "request_id": None,
        "details": event.details,
    }
    assert sent.headers["Content-Type"] == "application/json"
    [message] = hooks.messages(webhook)
    assert (message.status, message.attempts, message.result) == ("delivered", 1, "delivered: HTTP 204")
    assert hooks.actions.get(webhook.id).delivered_at == hooks.core.clock()


@pytest.mark.contract("each event type of the audit can be subscribed to")
def test_only_what_is_subscribed_to_is_sent_and_nothing_while_disabled(hooks: Hooks) -> None:
    webhook, _ = hooks.add("api_key.create", "api_key.revoke")
    hooks.core.resource("https://api.example/x", public=["x:read"])
    key, _ = hooks.core.key("https://api.example/x")
    hooks.actions.change(OPERATOR, webhook.id, WebhookChanges(name="another"))
    hooks.deliver()
    assert [json.loads(sent.body)["type"] for sent in hooks.receiver.sent] == ["api_key.create"]
    hooks.actions.change(OPERATOR, webhook.id, WebhookChanges(enabled=False))
    hooks.core.actions.api_keys.revoke(OPERATOR, key.id)
    hooks.deliver()
    assert len(hooks.receiver.sent) == 1 == len(hooks.messages(webhook))


def test_no_message_holds_a_secret(hooks: Hooks) -> None:
    _, first = hooks.add()
    second = hooks.add()[1]
    core = hooks.core
    core.resource("https://api.example/x", "x:write", public=["x:read"])
    core.role("writers", "user", "x:write")
    core.user("bob", "writers")
    _, pat = core.pat("bob", "x:write")
    key = core.key("https://api.example/x")[1]
    hooks.actions.rotate(OPERATOR, hooks.actions.page(1)[0][0].id)
    core.actions.report_leak(anonymous("192.0.2.1", "r1"), [pat])
    hooks.deliver()
    assert len(hooks.receiver.sent) >= 8
    bodies = b"".join(sent.body for sent in hooks.receiver.sent)
    for secret in (pat, key, first, second, hooks.receiver.url):
        assert secret.encode() not in bodies


@pytest.mark.contract("in order for one credential")
def test_the_events_of_one_credential_arrive_in_order_though_the_receiver_fails_between(hooks: Hooks) -> None:
    hooks.add("user.update")
    ann, bob = hooks.core.user("ann"), hooks.core.user("bob")
    for number in range(4):
        for user in (ann, bob):
            rename(hooks, user, f"{number}")
    answers = iter([500, 204, 500, 204, 204, 500] + [204] * 50)
    while hooks.core.count(OutboxMessage) > ended(hooks):
        hooks.receiver.answers = next(answers)
        hooks.deliver()
        hooks.core.clock.advance(minutes=6)
    arrived: dict[str, list[int]] = {ann: [], bob: []}
    for sent in hooks.receiver.sent:
        data = json.loads(sent.body)["data"]
        arrived[data["target"]].append(int(data["id"]))
    for ids in arrived.values():
        assert len(set(ids)) == 4 and all(before <= after for before, after in pairwise(ids))


def rename(hooks: Hooks, user: str, name: str) -> None:
    hooks.core.actions.users.change(OPERATOR, user, UserChanges(display_name=name))


def ended(hooks: Hooks) -> int:
    with hooks.core.store.reading() as session:
        return session.scalar(select(func.count(OutboxMessage.id)).where(OutboxMessage.ended_at.is_not(None))) or 0


@pytest.mark.contract("several nodes send each notice once")
def test_two_nodes_send_each_message_once(hooks: Hooks) -> None:
    hooks.add("user.update")
    users = [hooks.core.user(f"user{number}") for number in range(10)]
    for user in users:
        for name in ("a", "b"):
            rename(hooks, user, name)
    nodes = [threading.Thread(target=hooks.deliver, args=(hooks.delivery(),)) for _ in range(2)]
    for node in nodes:
        node.start()
    for node in nodes:
        node.join()
    hooks.deliver()
    ids = [sent.headers["webhook-id"] for sent in hooks.receiver.sent]
    assert len(ids) == len(set(ids)) == 20


@pytest.mark.contract("a notice arrives at least once, also when the node that sends it is killed")
def test_a_node_that_dies_while_it_sends_leaves_the_message_to_another(hooks: Hooks) -> None:
    webhook, _ = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    dying = hooks.delivery()
    [job] = dying._lease()
    hooks.deliver()
    assert not hooks.receiver.sent
    hooks.core.clock.advance(seconds=LEASE.total_seconds())
    hooks.deliver()
    assert [sent.headers["webhook-id"] for sent in hooks.receiver.sent] == [job.lease.message_id]
    hooks.receiver.answers = 500
    dying._deliver(job)  # it was not dead, only slow: its result does not count any more
    assert hooks.messages(webhook)[0].status == "delivered" and hooks.actions.get(webhook.id).status == "active"


@pytest.mark.contract("retried for three days with growing pauses, then disabled with a notice")
@pytest.mark.parametrize(
    ("answers", "result"),
    [
        (500, "HTTP 500"),
        (302, "HTTP 302"),
        (404, "HTTP 404"),
        (RESET, "the connection failed"),
        (HANG, "no answer within 0.2 seconds"),
    ],
)
def test_a_failure_is_retried_with_growing_pauses_until_it_is_accepted(
    hooks: Hooks, answers: int | str, result: str
) -> None:
    webhook, secret = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    hooks.receiver.answers, hooks.receiver.location = answers, hooks.receiver.url + "/elsewhere"
    delivery = hooks.delivery(patience=0.2 if answers == HANG else 30)
    for number, pause in enumerate(PAUSES[:3], 1):
        hooks.deliver(delivery)
        [message] = hooks.messages(webhook)
        assert (message.status, message.attempts, message.result) == ("waiting", number, result)
        assert message.next_attempt_at == hooks.core.clock() + pause
        assert hooks.actions.get(webhook.id).status == "failing"
        hooks.core.clock.advance(seconds=pause.total_seconds())
    assert {sent.path for sent in hooks.receiver.sent} == {"/hook"}, "a redirect is not followed"
    hooks.receiver.answers = 200
    hooks.deliver()
    assert hooks.messages(webhook)[0].status == "delivered" and hooks.actions.get(webhook.id).status == "active"
    assert len({(sent.headers["webhook-id"], sent.body) for sent in hooks.receiver.sent}) == 1
    verified(hooks, secret, -1)


def test_a_megabyte_of_an_answer_is_not_read(hooks: Hooks) -> None:
    webhook, _ = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    hooks.receiver.answers, hooks.receiver.body = 200, LARGE
    hooks.deliver()
    assert hooks.messages(webhook)[0].status == "delivered"


def test_after_three_days_the_webhook_is_disabled_and_an_event_says_so(hooks: Hooks) -> None:
    webhook, _ = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    hooks.receiver.answers = 503
    began = hooks.core.clock()
    while hooks.actions.get(webhook.id).enabled:
        hooks.deliver()
        hooks.core.clock.advance(minutes=5)
    assert timedelta(0) <= hooks.core.clock() - began - RETRIED <= timedelta(minutes=15)
    assert 15 <= len(hooks.receiver.sent) <= 40
    view = hooks.actions.get(webhook.id)
    assert view.status == "disabled" and view.disabled_reason == "it failed for 3 days: HTTP 503"
    assert hooks.messages(webhook)[0].status == "failed"
    assert actions_of(hooks)[-1] == "webhook.disabled"
    hooks.actions.change(OPERATOR, webhook.id, WebhookChanges(enabled=True))
    hooks.receiver.answers = 204
    rename(hooks, hooks.core._rows["ann"], "b")
    hooks.deliver()
    assert hooks.actions.get(webhook.id).status == "active"


def actions_of(hooks: Hooks) -> list[str]:
    with hooks.core.store.reading() as session:
        return list(session.scalars(select(AuditEvent.action).order_by(AuditEvent.id)))


def test_410_disables_at_once_and_another_webhook_is_sent_the_event(hooks: Hooks) -> None:
    hooks.receiver.answers = 410
    gone, _ = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    rename(hooks, hooks.core._rows["ann"], "b")
    other, _ = hooks.add("webhook.disabled")
    hooks.delivery().deliver_due()
    assert hooks.actions.get(gone.id).disabled_reason == "it answered 410 (Gone)"
    assert [message.status for message in hooks.messages(gone)] == ["failed", "failed"]
    hooks.receiver.answers = 204
    hooks.deliver()
    assert [message.type for message in hooks.messages(other)] == ["webhook.disabled"]
    body = json.loads(hooks.receiver.sent[-1].body)
    assert body["data"]["target"] == gone.id and body["data"]["details"]["reason"] == "it answered 410 (Gone)"


def test_one_that_fails_does_not_delay_another(hooks: Hooks) -> None:
    dead, _ = hooks.add("user.update", url="http://127.0.0.1:9/")
    hooks.add("user.update")
    for number in range(12):
        rename(hooks, hooks.core.user(f"user{number}"), "a")
    hooks.deliver()
    assert len(hooks.receiver.sent) == 12
    assert {message.status for message in hooks.messages(dead)} == {"waiting"}
    assert sum(message.attempts for message in hooks.messages(dead)) <= 4


@pytest.mark.contract("a webhook is sent under the rules of `jwks_uri`, and costs a bounded time and memory")
def test_a_private_address_is_not_connected_to_by_default(hooks: Hooks) -> None:
    webhook, _ = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    hooks.deliver(hooks.delivery(allow_private=False))
    assert not hooks.receiver.sent and hooks.messages(webhook)[0].result == "not allowed: a private address"


@pytest.mark.contract("webhooks are signed as Standard Webhooks say; a rotated secret signs too until its overlap ends")
def test_a_rotated_secret_signs_beside_the_new_one_until_its_overlap_ends(hooks: Hooks) -> None:
    webhook, first = hooks.add("user.update")
    ann = hooks.core.user("ann")
    _, second = hooks.actions.rotate(OPERATOR, webhook.id, SecretOverlap().overlap_seconds)
    rename(hooks, ann, "a")
    hooks.deliver()
    verified(hooks, first), verified(hooks, second)
    hooks.core.clock.advance(days=1)
    rename(hooks, ann, "b")
    hooks.deliver()
    verified(hooks, second, 1)
    with pytest.raises(AssertionError):
        verified(hooks, first, 1)


def test_a_message_waits_while_the_secret_key_does_not_open_the_webhooks_secret(hooks: Hooks) -> None:
    webhook, secret = hooks.add("user.update")
    rename(hooks, hooks.core.user("ann"), "a")
    other = WebhookSecrets(lambda: ["another secret key " + "o" * 20])
    post = Post(allow_private=True)
    WebhookDelivery(hooks.core.store, other, post, hooks.core.clock).deliver_due()
    assert hooks.messages(webhook)[0].result == "SECRET_KEY does not open the secret of the webhook"
    assert not hooks.receiver.sent
    hooks.core.clock.advance(seconds=PAUSES[0].total_seconds())
    hooks.deliver()
    verified(hooks, secret)


def test_a_test_message_is_sent_at_once_even_to_one_that_is_paused(hooks: Hooks) -> None:
    webhook, secret = hooks.add("user.update")
    hooks.receiver.answers = 500
    rename(hooks, hooks.core.user("ann"), "a")
    hooks.deliver()
    hooks.receiver.answers = 204
    sent = hooks.actions.test(OPERATOR, webhook.id)
    hooks.deliver()
    assert verified(hooks, secret, 1)["type"] == "webhook.test"
    assert hooks.receiver.sent[1].headers["webhook-id"] == sent.id


def test_a_deleted_webhook_leaves_nothing(hooks: Hooks) -> None:
    webhook, _ = hooks.add()
    rename(hooks, hooks.core.user("ann"), "a")
    [job, *_] = hooks.delivery()._lease()
    hooks.actions.delete(OPERATOR, webhook.id)
    assert hooks.core.count(OutboxMessage) == 0
    hooks.delivery()._deliver(job)
    assert hooks.core.count(OutboxMessage) == hooks.core.count(WebhookRow) == 0


@pytest.mark.contract("the outbox is written in the transaction of the change")
def test_an_event_that_is_rolled_back_is_never_sent(hooks: Hooks) -> None:
    hooks.add()
    before = hooks.core.count(OutboxMessage)
    with suppress(RuntimeError), hooks.core.store.transaction() as session:
        record(session, OPERATOR, "user.update", "user", "x", hooks.core.clock())
        append_pending(session)
        assert session.scalar(select(func.count(OutboxMessage.id))) == before + 1
        raise RuntimeError
    assert hooks.core.count(OutboxMessage) == before
