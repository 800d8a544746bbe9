"""Messages are handed over to real servers: encrypted, authenticated, refused for now or for good, in bounded time."""

import ssl
import time
from email.message import EmailMessage
from pathlib import Path

import pytest

from app.actions.mail.smtp import MailDelayed, MailRefused, SendMail
from app.settings.mail import read_smtp_url
from tests.mail_server import PASSWORD, WRITTEN, mail_server, stubborn_server
from tests.ports import free_port

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


def message(to: str = "ann@example.org") -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "Latchkey <latchkey@example.org>", to, "Привет"
    made.set_content("A text, 一\n")
    return made


def sender(url: str, certificates: ssl.SSLContext | None = None, patience: float = 5) -> SendMail:
    return SendMail(read_smtp_url(url), "auth.example.org", patience=patience, certificates=certificates)


@pytest.mark.parametrize(("scheme", "encryption"), [("smtp", "none"), ("smtp+starttls", "starttls"), ("smtps", "tls")])
def test_a_message_arrives_over_each_kind_of_connection(tmp_path: Path, scheme: str, encryption: str) -> None:
    with mail_server(tmp_path, encryption=encryption) as server:
        sender(server.url(scheme), server.trusting())(message())
        [arrived] = server.messages
        assert arrived["Subject"] == "Привет" and "A text, 一" in arrived.get_content()
        assert server.recipients == ["ann@example.org"]


@pytest.mark.parametrize("scheme", ["smtp+starttls", "smtps"])
def test_a_certificate_that_is_not_trusted_ends_the_connection(tmp_path: Path, scheme: str) -> None:
    with mail_server(tmp_path, encryption="tls" if scheme == "smtps" else "starttls") as server:
        with pytest.raises(MailDelayed, match="certificate is not valid"):
            sender(server.url(scheme, WRITTEN))(message())
        assert server.messages == [] and server.commands == []


def test_a_certificate_of_another_name_ends_the_connection(tmp_path: Path) -> None:
    with mail_server(tmp_path, encryption="tls") as server:
        url = server.url("smtps").replace("127.0.0.1", "localhost")
        with pytest.raises(MailDelayed, match="certificate is not valid"):
            sender(url, server.trusting())(message())


@pytest.mark.contract("mail is handed over encrypted, authenticated, and in a bounded time")
def test_no_password_is_sent_without_starttls(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server, pytest.raises(MailDelayed, match="no STARTTLS"):
        sender(server.url("smtp+starttls", WRITTEN), server.trusting())(message())
    assert server.commands == []


@pytest.mark.contract("mail is handed over encrypted, authenticated, and in a bounded time")
@pytest.mark.parametrize(("scheme", "encryption"), [("smtp", "none"), ("smtp+starttls", "starttls"), ("smtps", "tls")])
def test_the_sender_authenticates(tmp_path: Path, scheme: str, encryption: str) -> None:
    with mail_server(tmp_path, encryption=encryption, authentication=True) as server:
        sender(server.url(scheme, WRITTEN), server.trusting())(message())
        assert len(server.messages) == 1


@pytest.mark.parametrize("user", ["", "mailer:wrong@"])
def test_a_failed_authentication_waits_for_the_operator_and_shows_no_password(tmp_path: Path, user: str) -> None:
    with mail_server(tmp_path, encryption="starttls", authentication=True) as server:
        with pytest.raises(MailDelayed) as caught:
            sender(server.url("smtp+starttls", user), server.trusting())(message())
        assert PASSWORD not in str(caught.value) and "wrong" not in str(caught.value)
        assert "53" in str(caught.value) and server.messages == []


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_a_refusal_for_good_differs_from_one_for_now(tmp_path: Path, command: str) -> None:
    with mail_server(tmp_path) as server:
        server.replies = {command: ["550 5.1.1 no such user", "451 4.7.1 greylisted, come back later"]}
        send = sender(server.url())
        with pytest.raises(MailRefused, match=r"550 5\.1\.1 no such user"):
            send(message())
        with pytest.raises(MailDelayed, match=r"451 4\.7\.1 greylisted"):
            send(message())
        send(message())
        assert len(server.messages) == 1


def test_a_server_that_is_gone_is_tried_later() -> None:
    with pytest.raises(MailDelayed, match="cannot be reached"):
        sender(f"smtp://127.0.0.1:{free_port()}")(message())


@pytest.mark.contract("mail is handed over encrypted, authenticated, and in a bounded time")
@pytest.mark.parametrize(
    ("greeting", "again"),
    [((), 0), ((b"220 x\r\n",), 0), ((b"220-",), 0.01), ((b"220-more\r\n",), 0.01)],
    ids=["silent", "silent after the greeting", "a line without end", "a greeting without end"],
)
def test_a_server_that_is_too_slow_costs_a_bounded_time(greeting: tuple[bytes, ...], again: float) -> None:
    """A timeout of each read alone would never end these connections."""
    began = time.monotonic()
    with stubborn_server(*greeting, again=again) as port, pytest.raises(MailDelayed, match="too slow"):
        sender(f"smtp://127.0.0.1:{port}", patience=0.2)(message())
    assert time.monotonic() - began < 2


def test_a_slow_handshake_costs_a_bounded_time() -> None:
    began = time.monotonic()
    with stubborn_server() as port, pytest.raises(MailDelayed):
        sender(f"smtps://127.0.0.1:{port}", patience=0.2)(message())
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("greeting", [b"554 not you\r\n", b"421 busy\r\n", b"garbage\r\n", b"\xff\r\n"])
def test_a_server_that_does_not_greet_is_tried_later(greeting: bytes) -> None:
    with stubborn_server(greeting) as port, pytest.raises(MailDelayed):
        sender(f"smtp://127.0.0.1:{port}", patience=0.5)(message())


def test_an_address_that_the_server_cannot_take_is_refused_for_good(tmp_path: Path) -> None:
    with mail_server(tmp_path) as server, pytest.raises(MailRefused, match="outside ASCII"):
        sender(server.url())(message("änn@example.org"))


def test_a_check_connects_and_authenticates_and_sends_nothing(tmp_path: Path) -> None:
    with mail_server(tmp_path, encryption="starttls", authentication=True) as server:
        sender(server.url("smtp+starttls", WRITTEN), server.trusting()).check()
        with pytest.raises(MailDelayed, match="refuses the user or the password"):
            sender(server.url("smtp+starttls", "mailer:wrong@"), server.trusting()).check()
        assert server.commands == []


def test_a_reply_is_shown_in_one_short_line_without_secrets(tmp_path: Path) -> None:
    token = "lk_pat_" + "a" * 38
    with mail_server(tmp_path) as server:
        server.replies = {"RCPT": [f"550 {token}\t\x1b[31m{'x' * 300}"]}
        with pytest.raises(MailRefused) as caught:
            sender(server.url())(message())
    shown = str(caught.value)
    assert token not in shown and shown.isprintable() and len(shown) <= 260
