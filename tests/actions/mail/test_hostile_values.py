"""What users and operators write is text in a message: no header, no markup, no further recipient, no long line."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

import pytest

from app.actions.mail.compose import LONGEST_VALUE, ComposeMail, Reader
from app.actions.mail.smtp import SendMail
from app.actions.mail.texts import WORDINGS
from app.settings.languages import LANGUAGES
from app.settings.mail import read_sender, read_smtp_url
from tests.mail_server import mail_server

AT = datetime(2030, 1, 1, tzinfo=UTC)
HEADERS = [
    "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type", "Content-Language",
]  # fmt: skip
HOSTILE = [
    "x\r\nBcc: eve@evil.example",
    "x\nTo: eve@evil.example\n\n<h1>hello</h1>",
    "x\r\n.\r\nQUIT\r\n",
    "x\x00\x1b[31m\u2028\u202e\u200b",
    "=?utf-8?q?=0D=0ABcc:_eve@evil.example?=",
    "</title><script>alert(1)</script><img src=https://evil.example/x onerror=alert(1)>",
    "\"'><a href='javascript:alert(1)'>click</a>",
    "{{ 7 * 7 }} %(name)s %s",
    "a" * 100_000,
    "名" * 10_000,
]
ADDRESSES = [
    "ann@example.org\r\nBcc: eve@evil.example", "ann@example.org\n", "ann@example.org, eve@evil.example", "", "@",
    "ann@", "@example.org", "<ann@example.org>", "ann", "ann@example.org (", ":", '"',
    "\x00@example.org", "\ud800@example.org", "group: ann@example.org;", "a b@example.org", "a..b@example.org",
    "=?utf-8?q?ann=0D=0ABcc:_eve?=@example.org",
    "ann(eve)@example.org", "(eve)ann@example.org", "ann@(eve)example.org", "ann@example.org(eve)",
]  # fmt: skip


class Tags(HTMLParser):
    """The elements of a page, and their attributes that name a place or run a script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.places: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.places += [value or "" for name, value in attrs if name in ("href", "src") or name.startswith("on")]


def compose(type_: str, value: str, address: str = "ann@example.org", language: str = "en") -> EmailMessage:
    """Compose a message whose every value is this one."""
    facts = {name: value for name in WORDINGS[type_].facts if name not in ("at", "expires_at", "last_used_at")}
    data: Mapping[str, object] = {
        "name": value,
        "days_left": 7,
        "days_unused": 90,
        "credential_id": value,
        "link_id": value,
    } | facts
    write = ComposeMail(
        "https://login.example",
        read_sender("Latchkey <latchkey@login.example>"),
        lambda _: "https://login.example/login/link#x",
    )
    return write(type_, data, Reader(address, value, value, language), "msg_1", AT)


@pytest.mark.contract("what users write is text in a mail: no header, no markup, no further recipient")
@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("type_", WORDINGS)
def test_a_value_adds_no_header_no_markup_and_no_place(type_: str, value: str) -> None:
    for language in LANGUAGES:
        plain, hostile = compose(type_, "ann", language=language), compose(type_, value, language=language)
        sent = message_from_bytes(hostile.as_bytes(), policy=policy.default)
        assert sorted(sent.keys()) == sorted(HEADERS) and sent["To"] == "ann@example.org"
        assert (
            str(sent["Subject"]).isprintable()
            and len(sent["Subject"]) < 2 * LONGEST_VALUE
            and len(hostile.as_bytes()) < 20_000
        )
        assert max(map(len, hostile.as_bytes().split(b"\r\n"))) <= 998  # RFC 5322 §2.1.1
        ours, theirs = (Tags(str(one.get_body(("html",)).get_content())) for one in (plain, sent))  # type: ignore[union-attr]
        assert ours.names == theirs.names and ours.places == theirs.places
        text = str(sent.get_body(("plain",)).get_content())  # type: ignore[union-attr]
        assert not re.search("[\x00\x1b\u2028\u202e\u200b]", text)


@pytest.mark.contract("what users write is text in a mail: no header, no markup, no further recipient")
@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_that_is_none_another_or_more_than_one_is_refused(address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        compose("credential.leaked", "laptop", address)


@pytest.mark.parametrize(
    "address", ["ann@[127.0.0.1]", '"ann"@example.org', '"a(b)"@example.org', "a+b%c'd@Ex.example"]
)
def test_an_address_with_unusual_characters_is_written_to(address: str) -> None:
    [to] = compose("credential.leaked", "laptop", address)["To"].addresses
    assert to.addr_spec in (address, address.replace('"', ""))


def test_a_message_of_hostile_values_reaches_one_recipient_over_smtp(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server:
        for value in HOSTILE:
            SendMail(read_smtp_url(server.url()), "login.example")(compose("credential.leaked", value))
    assert server.recipients == ["ann@example.org"] * len(HOSTILE)
    assert {str(message["To"]) for message in server.messages} == {"ann@example.org"}
