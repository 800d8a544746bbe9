"""Nodes on one database send each message once; one that is killed while it sends leaves the message to another."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.actions.outbox.messages import LEASE
from tests.api import Admin, expect, unique
from tests.contract.waiting import until
from tests.fuzzing.file_clock import FileClock
from tests.hurried import HurriedServer
from tests.mail_server import MailServer, mail_server
from tests.receiver import HANG, Receiver, receiving

pytestmark = pytest.mark.both_databases
TOKENS = 12


@dataclass
class Pair:
    """Two nodes on one database, with a clock that a test moves; the second is started when a test wants it."""

    nodes: tuple[HurriedServer, HurriedServer]
    clock: FileClock
    mailbox: MailServer
    receiver: Receiver

    def start(self) -> Admin:
        """Start the first node, with a webhook; return its administrator."""
        admin = Admin(self.nodes[0].start())
        admin.create("/webhooks", {"url": self.receiver.url, "events": ["credential.leaked"]})
        return admin

    def hooked(self) -> list[str]:
        """Return the id of each message that the receiver was sent."""
        return [sent.headers["webhook-id"] for sent in self.receiver.sent]

    def mailed(self) -> list[str]:
        """Return the id of each message that arrived by mail."""
        return [str(message["Message-ID"]) for message in self.mailbox.messages]

    def take_over(self) -> None:
        """Kill the first node, start the second, and let the lease of the first end."""
        first, second = self.nodes
        first.kill()
        self.receiver.answers = 204
        self.mailbox.held.clear()
        self.mailbox.release.set()
        self.receiver.release.set()
        second.start()

    def end_leases(self) -> None:
        """Move the clock to the end of the leases."""
        self.clock.set(self.clock() + LEASE)


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Two nodes whose mail goes to a mailbox, and whose webhooks may be on loopback."""
    with ExitStack() as stack:
        mailbox, receiver = stack.enter_context(mail_server(tmp_path)), stack.enter_context(receiving())
        clock = FileClock(tmp_path / "clock")
        clock.set(datetime.now(UTC))
        settings = {"smtp_url": mailbox.url(), "allow_private_jwks_uri": "true"}
        first, second = (HurriedServer(tmp_path / "instance", settings) for _ in range(2))
        second.settings["issuer"] = first.settings["issuer"] = first.url
        for node in (first, second):
            node.clock = tmp_path / "clock"
            stack.callback(node.kill)
        yield Pair((first, second), clock, mailbox, receiver)


def report_leaks(admin: Admin, count: int) -> None:
    """Have so many tokens of a user reported as leaked at once."""
    scope = unique("parcels:read")
    admin.resource(permissions=[scope])
    user = admin.user([admin.role("user", [scope])])
    tokens = [admin.pat(user, [scope])["token"] for _ in range(count)]
    expect(202, admin.post("/credentials/revoke", {"credentials": tokens}, auth=False))


@pytest.mark.contract("several nodes send each notice once")
def test_two_nodes_send_each_message_once(pair: Pair) -> None:
    admin = pair.start()
    pair.nodes[1].start()
    report_leaks(admin, TOKENS)
    until(lambda: len(pair.mailbox.messages) >= TOKENS and len(pair.receiver.sent) >= TOKENS, 20)
    waiting = "SELECT count(*) FROM outbox WHERE ended_at IS NULL"
    until(lambda: pair.nodes[0].database.execute(waiting) == [(0,)])
    for ids in (pair.mailed(), pair.hooked()):
        assert len(ids) == TOKENS and Counter(ids).most_common(1)[0][1] == 1


@pytest.mark.contract("a notice arrives at least once, also when the node that sends it is killed")
@pytest.mark.parametrize(("held", "copies"), [("RCPT", 1), ("DATA", 2)])
def test_a_node_that_is_killed_while_it_sends_leaves_the_message_to_another(pair: Pair, held: str, copies: int) -> None:
    """Killed before the mail server has the message, or when the server has accepted it and nobody knows."""
    pair.mailbox.held, pair.receiver.answers = {held}, HANG
    report_leaks(pair.start(), 1)
    until(lambda: held in pair.mailbox.commands and pair.receiver.sent != [])
    [hook] = pair.hooked()
    pair.take_over()
    pair.end_leases()
    until(lambda: pair.hooked() == [hook, hook] and len(pair.mailbox.messages) == copies, 20)
    assert len(set(pair.mailed())) == 1
    first, second = (int(sent.headers["webhook-timestamp"]) for sent in pair.receiver.sent)
    assert second - first == LEASE.total_seconds(), "it was sent again before the lease had ended"
