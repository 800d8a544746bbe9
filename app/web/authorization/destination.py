"""Where the browser goes after the consent page: in words, and as a source of its Content-Security-Policy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

WEB = ("http", "https")
LOOPBACK = ("localhost", "127.0.0.1", "::1")
COMPUTER = "http://127.0.0.1:* http://localhost:* "
HOST = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*")  # of CSP 3 §2.3.1, which has no IPv6 address


@dataclass(frozen=True, slots=True)
class Destination:
    """A place as a person recognizes it: a site, a program on this computer, or an app that opens links."""

    kind: Literal["site", "computer", "app"]
    name: str


def describe_destination(redirect_uri: str) -> Destination:
    """Return which place a redirect URI leads to: its host, with a port that is not the default, or its scheme."""
    parts = urlsplit(redirect_uri)
    if parts.scheme not in WEB:
        return Destination("app", f"{parts.scheme}:")
    return Destination("computer" if parts.hostname in LOOPBACK else "site", parts.netloc.rpartition("@")[2])


def policy_sources(redirect_uri: str) -> str:
    """Return the sources of CSP to which the answer of a form may lead, as narrow as apps allow.

    Chromium checks every redirect that follows a form, also the redirects by the app: a callback often leads on to a
    page on another host, and a program on this computer to a page on the web or on another port.
    """
    parts = urlsplit(redirect_uri)
    if parts.scheme not in WEB:
        return f"{parts.scheme}:"
    host = parts.hostname if HOST.fullmatch(parts.hostname or "") else "*"
    own = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
    further = COMPUTER if parts.hostname in LOOPBACK else ""
    return f"{own} {further}https:"


def host_of(address: str | None) -> str:
    """Return the host of a web address, "" for anything else: only a web address becomes a link."""
    parts = urlsplit(address or "")
    return parts.netloc.rpartition("@")[2] if parts.scheme in WEB else ""
