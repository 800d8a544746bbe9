"""SMTP_URL and MAIL_FROM: how a URL is read, what is refused, and that no message or repr shows the password."""

from pathlib import Path

import pytest

from app.errors import BadSettings
from app.settings.load import load_settings
from app.settings.mail import SmtpServer, read_sender, read_smtp_url

READ = {
    "smtp://mail.example": SmtpServer("mail.example", 587, "starttls"),
    "smtp://mail.example/": SmtpServer("mail.example", 587, "starttls"),
    "smtp://MAIL.example:2525": SmtpServer("mail.example", 2525, "starttls"),
    "smtp://localhost": SmtpServer("localhost", 25, "none"),
    "smtp://127.0.0.1:1025": SmtpServer("127.0.0.1", 1025, "none"),
    "smtp://[::1]": SmtpServer("::1", 25, "none"),
    "smtp://[2001:db8::1]": SmtpServer("2001:db8::1", 587, "starttls"),
    "smtp+starttls://localhost": SmtpServer("localhost", 587, "starttls"),
    "smtps://mail.example": SmtpServer("mail.example", 465, "tls"),
    "smtps://a%40b.example:p%3A%2F%40@mail.example": SmtpServer("mail.example", 465, "tls", "a@b.example", "p:/@"),
}
REFUSED = (
    *("mail.example", "http://mail.example", "smtp:", "smtp://", "smtp://:25", "smtp://mail.example:0"),
    *("smtp://mail.example:66000", "smtp://mail.example:x", "smtp://mail.example/path", "smtp://mail.example?tls=no"),
    *("smtp://mail.example#x", "smtp://user@mail.example", "smtp://:word@mail.example", "smtp://a b.example"),
    *("smtp://u:%0d%0aDATA@mail.example", "smtp://u:%ff@mail.example", "smtp://u:%D1%8F@mail.example"),
    *("smtp://-x.example", "smtp://[::1", "smtp://%00.example"),
)


@pytest.mark.parametrize("url", READ)
def test_a_url_names_a_server(url: str) -> None:
    assert read_smtp_url(url) == READ[url]


@pytest.mark.parametrize("url", REFUSED)
def test_another_url_is_refused_without_showing_it(clean: Path, url: str) -> None:
    with pytest.raises(BadSettings, match=r"^setting SMTP_URL: must be smtp://HOST, ") as caught:
        load_settings(smtp_url=url, mail_from="a@b.example")
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.usefixtures("clean")
def test_the_password_is_in_no_repr() -> None:
    settings = load_settings(smtp_url="smtps://user:passphrase@mail.example", mail_from="a@b.example")
    assert "passphrase" not in repr(settings) + str(settings) + repr(settings.model_dump()) + repr(settings.smtp_server)
    assert settings.smtp_server and settings.smtp_server.password == "passphrase"


@pytest.mark.usefixtures("clean")
def test_without_a_url_there_is_no_server() -> None:
    assert load_settings().smtp_server is None


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize(
    ("given", "sender"),
    [
        ({"issuer": "https://auth.example.org/x"}, "latchkey@auth.example.org"),
        ({"issuer": "http://127.0.0.1:8080"}, "latchkey@localhost"),
        ({"issuer": "http://[::1]:8080"}, "latchkey@localhost"),
        ({"issuer": "https://auth.example.org", "mail_from": "a@b.example"}, "a@b.example"),
    ],
)
def test_without_a_sender_it_is_at_the_issuers_host(given: dict[str, str], sender: str) -> None:
    assert load_settings(**given).mail_sender.addr_spec == sender


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("latchkey@example.org", "", "latchkey@example.org"),
        ("Latchkey <latchkey@example.org>", "Latchkey", "latchkey@example.org"),
        ("  鑰匙 <a+b@example.org> ", "鑰匙", "a+b@example.org"),
        ("<latchkey@example.org>", "", "latchkey@example.org"),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(text: str, name: str, address: str) -> None:
    found = read_sender(text)
    assert (found.display_name, found.addr_spec) == (name, address)


@pytest.mark.parametrize("text", ["x", "@example.org", "a@", "a@b@c", "A <a@b", "a@b, c@d", "ä@example.org", "a@x..y"])
def test_another_sender_is_refused(clean: Path, text: str) -> None:
    with pytest.raises(BadSettings, match=r"^setting MAIL_FROM: must be an address such as"):
        load_settings(mail_from=text)
