"""What happens to a credential or an account reaches its user by mail, once, and without a secret."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from sqlalchemy import select, update

from app.actions.audit.actor import anonymous
from app.actions.mail.compose import ComposeMail
from app.actions.mail.smtp import MailDelayed, SendMail
from app.actions.notices.find_due import FindDueNotices
from app.actions.notices.mail_delivery import UNUSABLE, MailDelivery
from app.actions.outbox.messages import DELIVERED, LEASE
from app.actions.outbox.notices import Notices
from app.actions.sign_in.known_addresses import KnownAddresses
from app.actions.tokens.report_leak import ReportLeak
from app.database.types import Base
from app.models import OutboxMessage, PersonalAccessToken, User
from app.settings.languages import LANGUAGES
from app.settings.mail import read_sender, read_smtp_url
from tests.core import Core
from tests.mail_server import mail_server

pytestmark = pytest.mark.both_databases
ADDRESS = "alice@example.org"
FINDER = anonymous("192.0.2.1", "req-1")


class Post:
    """What was sent, or a fault for each attempt."""

    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []
        self.faults: list[Exception] = []

    def __call__(self, message: EmailMessage) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append(message)


def plain_text(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def set_values(core: Core, table: type[Base], **values: object) -> None:
    with core.store.transaction() as session:
        session.execute(update(table).values(**values))


def token_of_alice(core: Core) -> tuple[str, str]:
    view, token = core.pat("alice", "orders:read")
    set_values(core, User, email=ADDRESS)
    return view.id, token


def find_due(core: Core) -> int:
    return FindDueNotices(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)()


def waiting(core: Core) -> list[str]:
    with core.store.reading() as session:
        return list(session.scalars(select(OutboxMessage.type).order_by(OutboxMessage.id)))


def delivery(core: Core, send: object) -> MailDelivery:
    compose = ComposeMail("https://login.example", read_sender("Latchkey <latchkey@login.example>"), lambda _: None)
    return MailDelivery(core.store, compose, send, LANGUAGES, core.clock)  # type: ignore[arg-type]


def test_an_end_is_reported_seven_days_and_one_day_before_and_once_each(core: Core) -> None:
    token_of_alice(core)
    end = core.clock() + timedelta(days=30)
    set_values(core, PersonalAccessToken, expires_at=end)
    assert find_due(core) == 0
    core.clock.now = end - timedelta(days=6)
    assert (find_due(core), find_due(core)) == (1, 0)
    core.clock.now = end - timedelta(hours=23)
    assert (find_due(core), find_due(core)) == (1, 0)
    core.clock.now = end
    assert find_due(core) == 0
    assert waiting(core) == ["credential.expiring"] * 2


def test_a_later_end_is_a_notice_of_its_own(core: Core) -> None:
    token_of_alice(core)
    core.clock.advance(days=1)
    set_values(core, PersonalAccessToken, expires_at=core.clock() + timedelta(days=10))
    core.clock.advance(days=5)
    assert find_due(core) == 1
    set_values(core, PersonalAccessToken, expires_at=core.clock() + timedelta(days=6))
    assert find_due(core) == 1


def test_what_lives_shortly_or_is_revoked_is_not_reported(core: Core) -> None:
    token_of_alice(core)
    set_values(core, PersonalAccessToken, expires_at=core.clock() + timedelta(hours=12))
    assert find_due(core) == 0
    core.clock.advance(hours=1)
    set_values(core, PersonalAccessToken, expires_at=core.clock() + timedelta(days=3), revoked_at=core.clock())
    assert find_due(core) == 0


def test_ninety_days_without_use_are_reported_once_until_it_is_used_again(core: Core) -> None:
    token_of_alice(core)
    set_values(core, PersonalAccessToken, expires_at=None)
    core.clock.advance(days=89)
    assert find_due(core) == 0
    core.clock.advance(days=1)
    assert (find_due(core), find_due(core)) == (1, 0)
    set_values(core, PersonalAccessToken, last_used_at=core.clock())
    core.clock.advance(days=90)
    assert find_due(core) == 1


@pytest.mark.contract("each notice can be turned off but leaks")
def test_a_leak_is_reported_although_everything_is_turned_off(core: Core) -> None:
    token_id, token = token_of_alice(core)
    user_id = core.row_id("alice")
    core.actions.notice_preferences.choose(FINDER, user_id, [])
    report = ReportLeak(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)
    assert report(FINDER, [token]) == 1 and report(FINDER, [token]) == 0
    post = Post()
    assert delivery(core, post).deliver_due() == 1 and delivery(core, post).deliver_due() == 0
    [message] = post.sent
    assert message["To"] == ADDRESS and token not in message.as_string()
    assert f"https://login.example/account/tokens/{token_id}" in plain_text(message)


@pytest.mark.contract("each notice can be turned off but leaks")
def test_a_notice_that_is_turned_off_is_not_sent_and_the_choice_is_an_event(core: Core) -> None:
    token_of_alice(core)
    user_id = core.row_id("alice")
    core.actions.notice_preferences.choose(FINDER, user_id, ["credential.expiring"])
    set_values(core, PersonalAccessToken, expires_at=None)
    core.clock.advance(days=91)
    assert find_due(core) == 1 and waiting(core) == []
    chosen = {choice.type: choice.sent for choice in core.actions.notice_preferences.choices(user_id)}
    assert chosen["credential.expiring"] and chosen["credential.leaked"] and not chosen["credential.unused"]
    assert len(core.trace("user.choose_notices")) == 1


def test_only_a_further_address_is_a_new_place(core: Core) -> None:
    token_of_alice(core)
    user_id = core.row_id("alice")
    known = KnownAddresses(core.store, Notices(mails=True), core.clock)
    known.note(user_id, "alice", "192.0.2.1")
    known.note(user_id, "alice", "192.0.2.1")
    assert waiting(core) == []
    known.note(user_id, "alice", "198.51.100.7")
    known.note(user_id, "alice", "198.51.100.7")
    assert waiting(core) == ["sign_in.new_place"]


def test_a_used_replaced_secret_is_reported_with_what_became_of_it(core: Core) -> None:
    token_id, _ = token_of_alice(core)
    kind = next(one for one in core.actions.revoke_many._kinds if one.target == "personal_access_token")
    with core.store.transaction() as session:
        found = kind.find(session, token_id, core.clock())
        assert found is not None
        Notices(mails=True).notify_reused(session, found, core.clock(), address="192.0.2.9", ended=True)
    post = Post()
    delivery(core, post).deliver_due()
    text = plain_text(post.sent[0])
    assert "192.0.2.9" in text and "was revoked because of it" in text


def test_a_delayed_message_is_tried_again_with_the_same_id_and_ends_after_three_days(core: Core) -> None:
    _, token = token_of_alice(core)
    ReportLeak(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)(FINDER, [token])
    post = Post()
    post.faults = [MailDelayed("451 later")]
    sending = delivery(core, post)
    assert sending.deliver_due() == 1 and post.sent == [] and sending.deliver_due() == 0
    core.clock.advance(minutes=1)
    assert sending.deliver_due() == 1 and len(post.sent) == 1
    set_values(core, OutboxMessage, ended_at=None, result=None)
    core.clock.advance(days=3)
    post.faults = [MailDelayed("451 later")]
    assert sending.deliver_due() == 1
    with core.store.reading() as session:
        row = session.scalars(select(OutboxMessage)).one()
        assert row.ended_at == core.clock() and row.result == "451 later"
        assert post.sent[0]["Message-ID"] == f"<{row.message_id}@login.example>"


@pytest.mark.parametrize(
    "address", ["@example.org", "ann@", "<ann@example.org>", "ann@example.org\r\nBcc: eve@example.org"]
)
def test_a_message_that_cannot_be_written_or_sent_stops_no_other(core: Core, address: str) -> None:
    _, token = token_of_alice(core)
    _, further = core.pat("alice", "orders:read", name="desk")
    report = ReportLeak(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)
    report(FINDER, [token, further])
    post = Post()
    post.faults = [RuntimeError("unforeseen")]
    sending = delivery(core, post)
    assert sending.deliver_due() == 2 and len(post.sent) == 1
    report(FINDER, [core.pat("alice", "orders:read", name="lamp")[1]])
    set_values(core, User, email=address)
    assert sending.deliver_due() == 1 and len(post.sent) == 1
    with core.store.reading() as session:
        results = session.scalars(select(OutboxMessage.result).order_by(OutboxMessage.id)).all()
    assert sorted(map(str, results)) == sorted([DELIVERED, "it cannot be sent (RuntimeError)", UNUSABLE])


def test_a_user_who_is_gone_gets_nothing(core: Core) -> None:
    _, token = token_of_alice(core)
    ReportLeak(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)(FINDER, [token])
    set_values(core, User, enabled=False)
    post = Post()
    assert delivery(core, post).deliver_due() == 1 and post.sent == []


@pytest.mark.contract("several nodes send each notice once")
def test_two_nodes_with_one_mailbox_send_each_message_once(core: Core) -> None:
    token_of_alice(core)
    tokens = [core.pat("alice", "orders:read", name=f"token {number}")[1] for number in range(20)]
    ReportLeak(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)(FINDER, tokens)
    post = Post()
    with ThreadPoolExecutor(2) as nodes:
        list(nodes.map(deliver_all, [delivery(core, post) for _ in range(2)]))
    deliver_all(delivery(core, post))
    assert len({message["Message-ID"] for message in post.sent}) == len(post.sent) == len(tokens)


def deliver_all(node: MailDelivery) -> None:
    while node.deliver_due():
        pass


@pytest.mark.contract("a notice arrives at least once, also when the node that sends it is killed")
def test_a_node_that_dies_while_it_sends_leaves_the_message_to_another(core: Core) -> None:
    _, token = token_of_alice(core)
    ReportLeak(core.store, core.actions.revoke_many._kinds, Notices(mails=True), core.clock)(FINDER, [token])
    post = Post()
    dying, other = delivery(core, post), delivery(core, post)
    [lease] = dying._lease()
    deliver_all(other)
    assert post.sent == []
    core.clock.advance(seconds=LEASE.total_seconds())
    deliver_all(other)
    assert [message["Message-ID"] for message in post.sent] == [f"<{lease.message_id}@login.example>"]
    post.faults = [MailDelayed("451 later")]
    dying._deliver(lease)  # it was not dead, only slow: its result does not count any more
    assert other.deliver_due() == 0
    core.clock.advance(days=1)
    assert other.deliver_due() == 0


@pytest.mark.contract("a notice is in the language of its user, in text and HTML, without a secret")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_message_has_two_parts_in_the_users_language_and_loads_nothing(
    core: Core, tmp_path: Path, language: str
) -> None:
    token_of_alice(core)
    core.actions.notice_preferences.remember_language(core.row_id("alice"), language)
    set_values(core, PersonalAccessToken, name="<script>\u202e&", expires_at=None)
    core.clock.advance(days=91)
    find_due(core)
    with mail_server(tmp_path) as server:
        delivery(core, SendMail(read_smtp_url(server.url()), "login.example")).deliver_due()
    [message] = server.messages
    text, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    assert message["Content-Language"] == language and message["Auto-Submitted"] == "auto-generated"
    assert "<script>" not in html and "&lt;script&gt;" in html and "\u202e" not in html + text
    assert "src=" not in html and "url(" not in html and "@import" not in html
    assert ("still works" in text) == (language == "en")
