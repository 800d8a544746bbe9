"""Compose the mail of a notice: text and HTML in the reader's language, without remote content or a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime as format_mail_date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, Template, select_autoescape

from app.actions.mail import texts
from app.actions.outbox.notice_types import LINK_MAILS
from app.actions.outbox.notices import ALWAYS_SENT, EXPIRING
from app.catalogs import load_catalog
from app.database.redaction import redact_value
from app.settings.languages import LANGUAGES

PAGES: Mapping[str, str] = {"pat": "/account/tokens/{}", "grt": "/account/apps"}  # by the beginning of an id
INSTANTS = frozenset({"expires_at", "last_used_at", "at"})
ACCOUNT, CHOICES = "/account", "/account#notices"
LONGEST_VALUE = 200  # characters of a name in a message
WITHOUT_CHOICE = ALWAYS_SENT | set(LINK_MAILS.values())
WriteLink = Callable[[str], str | None]  # the URL of the link with this id; None once it is not valid any more


class LinkEnded(Exception):
    """The one-time link of a message is used, expired or replaced."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who gets a message, and in which language."""

    address: str
    username: str
    display_name: str = ""
    language: str = LANGUAGES[0]


class ComposeMail:
    """Composes the messages of one server."""

    def __init__(self, issuer: str, sender: Address, write_link: WriteLink) -> None:
        """Take the server's URL, which links begin with, the sender's address, and what writes one-time links."""
        self._issuer = issuer
        self._sender = sender
        self._write_link = write_link

    def __call__(
        self, type_: str, data: Mapping[str, Any], reader: Reader, message_id: str, at: datetime
    ) -> EmailMessage:
        """Return the message of a notice that was written at an instant.

        Raise ValueError for an unusable address, and LinkEnded for a one-time link that is not valid any more.
        """
        values = self._values(type_, data, reader, at)
        message = EmailMessage(policy=SMTP)
        message["From"] = self._sender
        message["To"] = _address_of(reader)
        message["Subject"] = values["subject"]
        message["Date"] = format_mail_date(at)
        # the same in each attempt, so that a mailbox can drop what arrives twice
        message["Message-ID"] = f"<{message_id}@{urlsplit(self._issuer).hostname}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nothing replies to it
        message.set_content(_template("notice.txt").render(values))
        message.add_alternative(_template("notice.html").render(values), subtype="html")
        message["Content-Language"] = reader.language  # last: set_content and add_alternative move such headers
        return message

    def _values(self, type_: str, data: Mapping[str, Any], reader: Reader, at: datetime) -> dict[str, Any]:
        translate, wording = _translator(reader.language), _wording(type_, data)
        shown = {name: _plain(value) for name, value in redact_value(dict(data)).items()}
        shown |= {"username": _plain(reader.username), "server": self._issuer}
        happened = translate(wording.happened)
        if data.get("revoked"):
            happened += " " + translate(texts.ENDED)
        return {
            "language": reader.language,
            # RFC 2047 §2: what a name has of an encoded word is text; the library would decode it, line breaks and all
            "subject": (translate(wording.subject) % shown).replace("=?", "= ?"),
            "greeting": translate(texts.GREETING) % {"name": _plain(reader.display_name) or shown["username"]},
            "happened": happened,
            "facts": list(_facts(wording, shown | {"at": at.isoformat()}, translate, reader.language)),
            "advice": translate(wording.advice),
            "link": self._find_link(type_, data),
            "button": translate(wording.button),
            "reason": translate(texts.REASON) % shown,
            "choice": "" if type_ in WITHOUT_CHOICE else translate(texts.CHOICE),
            "no_choice": translate(texts.NO_CHOICE),
            "settings": self._issuer + CHOICES,
        }

    def _find_link(self, type_: str, data: Mapping[str, Any]) -> str:
        if type_ not in LINK_MAILS.values():
            return self._issuer + _page_of(data)
        url = self._write_link(str(data["link_id"]))
        if url is None:
            raise LinkEnded
        return url


def _address_of(reader: Reader) -> Address:
    try:
        address = Address(addr_spec=reader.address)
    except (ValueError, IndexError, MessageError):  # what the library raises for the many ways to be none
        raise ValueError("the address cannot be written in mail") from None
    if address.addr_spec.replace('"', "") != reader.address.replace('"', ""):
        raise ValueError("the address is read as another: it has a comment")  # RFC 5322 §3.2.2, as in ann(x)@b.example
    return address


def _wording(type_: str, data: Mapping[str, Any]) -> texts.Wording:
    return texts.TOMORROW if type_ == EXPIRING and data.get("days_left") == 1 else texts.WORDINGS[type_]


def _facts(
    wording: texts.Wording, shown: Mapping[str, str], translate: Callable[[str], str], language: str
) -> Iterator[tuple[str, str]]:
    for name in wording.facts:
        if value := shown.get(name):
            yield translate(texts.FACTS[name]), _write_instant(value, language) if name in INSTANTS else value


def _write_instant(value: str, language: str) -> str:
    at = datetime.fromisoformat(value)
    return format_datetime(at, "long", tzinfo=UTC, locale=language.replace("-", "_"))


def _plain(value: object) -> str:
    """Return a value as one short line: a name may be anything that its owner chose."""
    text = "" if value is None else str(value)
    return "".join(character if character.isprintable() else " " for character in text)[:LONGEST_VALUE]


def _page_of(data: Mapping[str, Any]) -> str:
    credential_id = str(data.get("credential_id") or "")
    page = PAGES.get(credential_id.partition("_")[0])
    return page.format(quote(credential_id, safe="")) if page else ACCOUNT


def _translator(language: str) -> Callable[[str], str]:
    if language == LANGUAGES[0]:
        return str
    return load_catalog(language.replace("-", "_")).gettext


@cache
def _template(name: str) -> Template:
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder, autoescape=select_autoescape(("html",), default=False), trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template(name)
