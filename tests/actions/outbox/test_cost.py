"""An audit event costs no further statement where there is no webhook, and one message for each that subscribes."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from app.actions.audit.actor import OPERATOR
from app.actions.audit.record import record
from app.actions.directory.webhooks import NewWebhook
from app.actions.outbox.enqueue import Notice, enqueue, notify_webhooks
from app.models import OutboxMessage
from tests.core import Core

pytestmark = pytest.mark.both_databases


@contextmanager
def statements() -> Iterator[list[str]]:
    """Return the statements that are sent meanwhile."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def record_one(core: Core) -> list[str]:
    """Record an event, and return the statements that it takes."""
    with statements() as seen, core.store.transaction() as session:
        record(session, OPERATOR, "user.update", "user", "usr_1", core.clock())
    return seen


def test_without_a_webhook_an_event_costs_what_it_did(empty_core: Core) -> None:
    seen = record_one(empty_core)
    assert not [one for one in seen if "FROM outbox" in one or "INTO outbox" in one]
    assert len([one for one in seen if "audit" in one]) == (1 if empty_core.store.dialect == "postgresql" else 2)
    assert not [one for one in seen if "webhook" in one], "the query of the head, on the driver, has it"


def test_with_one_it_costs_two_statements_more_whatever_their_number(empty_core: Core) -> None:
    before = len(record_one(empty_core))
    for number in range(5):
        empty_core.actions.webhooks.create(OPERATOR, NewWebhook(f"https://hooks.example/{number}"))
    assert len(record_one(empty_core)) == before + 2


def test_a_notice_goes_to_each_webhook_that_subscribes_or_to_one_recipient(empty_core: Core) -> None:
    webhooks = empty_core.actions.webhooks
    chosen, _ = webhooks.create(OPERATOR, NewWebhook("https://hooks.example/", None, ("credential.expiring",)))
    other, _ = webhooks.create(OPERATOR, NewWebhook("https://hooks.example/", None, ("user.create",)))
    notice = Notice("credential.expiring", "pat_1", {"name": "laptop"}, empty_core.clock())
    with empty_core.store.transaction() as session:
        notify_webhooks(session, notice)
        enqueue(session, "mail", "usr_1", notice)
    assert [one.type for one in webhooks.deliveries(chosen.id, 9)[0]] == ["credential.expiring"]
    assert webhooks.deliveries(other.id, 9)[0] == []
    with empty_core.store.reading() as session:
        assert session.query(OutboxMessage).filter_by(channel="mail", recipient="usr_1").count() == 1
