"""The mail server that SMTP_URL names, and the sender of MAIL_FROM."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Literal
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr

if TYPE_CHECKING:
    from email.headerregistry import Address

Encryption = Literal["none", "starttls", "tls"]
PORTS: dict[str, int] = {"smtp": 587, "smtp+starttls": 587, "smtps": 465}
LOOPBACK_PORT = 25
HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,251}[a-z0-9])?")
ADDR_SPEC = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
SENT = re.compile(r"[ -~]*")  # what smtplib can authenticate by
SENDER = re.compile(r'(?:(?P<name>[^<>"\x00-\x1f\x7f]{0,100}?)\s*<(?P<named>[^<>\s]+)>|(?P<bare>\S+))')
URL_EXPECTED = (
    "must be smtp://HOST, smtp+starttls://HOST or smtps://HOST, with user:password@ before the host and :PORT after it"
    " where they are needed; write special characters of the password as %XX"
)
SENDER_EXPECTED = "must be an address such as latchkey@example.org or Latchkey <latchkey@example.org>"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where mail is handed over, and how; the password is in no repr."""

    host: str
    port: int
    encryption: Encryption
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


def read_smtp_url(text: str) -> SmtpServer:
    """Return the server that a URL names; raise ValueError, which does not show the URL."""
    try:
        url = urlsplit(text)
        host, port = (url.hostname or "").lower(), url.port
        username, password = _decode(url.username), _decode(url.password)
    except ValueError:
        raise ValueError(URL_EXPECTED) from None
    if url.scheme not in PORTS or not _is_host(host) or url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError(URL_EXPECTED)
    if port == 0 or bool(username) != bool(password) or not SENT.fullmatch(username + password):
        raise ValueError(URL_EXPECTED)
    encryption = _encryption(url.scheme, host)
    standard = LOOPBACK_PORT if encryption == "none" else PORTS[url.scheme]
    return SmtpServer(host, port or standard, encryption, username, password)


def check_smtp_url(value: SecretStr) -> SecretStr:
    """Check the URL of a mail server that is set."""
    if value.get_secret_value():
        read_smtp_url(value.get_secret_value())
    return value


def read_sender(text: str) -> Address:
    """Return the address that mail comes from, with its name; raise ValueError."""
    from email.headerregistry import Address  # a server without mail saves its memory

    found = SENDER.fullmatch(text.strip())
    address = (found["named"] or found["bare"]) if found else ""
    if found is None or ADDR_SPEC.fullmatch(address) is None or ".." in address:
        raise ValueError(SENDER_EXPECTED)
    return Address((found["name"] or "").strip(), addr_spec=address)


def default_sender(host: str) -> Address:
    """Return the sender of a server at this host that none was set for."""
    from email.headerregistry import Address

    address = f"latchkey@{host}"
    named = ADDR_SPEC.fullmatch(address) is not None and not _is_address(host)
    return Address("Latchkey", addr_spec=address if named else "latchkey@localhost")


def check_sender(value: str) -> str:
    """Check the sender that is set."""
    if value:
        read_sender(value)
    return value


def _decode(part: str | None) -> str:
    return unquote(part or "", errors="strict")


def _encryption(scheme: str, host: str) -> Encryption:
    """Return how the connection is encrypted: `smtp` needs STARTTLS, unless the server is on this machine."""
    if scheme == "smtps":
        return "tls"
    return "none" if scheme == "smtp" and _is_loopback(host) else "starttls"


def _is_host(host: str) -> bool:
    return HOST.fullmatch(host) is not None or _is_address(host)


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
