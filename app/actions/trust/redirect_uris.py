"""Redirect URIs: which ones an app may register, and which one a request means (RFC 9700 §2.1)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, unquote, urlsplit

from app.actions.trust.registration import LONGEST_URI, URI_CHARACTERS
from app.errors import Invalid

FIELD = "redirect_uris"
MOST_URIS = 50  # of one client
LOOPBACK_HOSTS = ("127.0.0.1", "[::1]", "localhost")
LOOPBACK = re.compile(rf"http://({'|'.join(map(re.escape, LOOPBACK_HOSTS))})(?::([0-9]{{1,5}}))?((?:[/?].*)?)")
LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?"
AUTHORITY = re.compile(rf"({LABEL}(?:\.{LABEL})*|\[[0-9a-fA-F:.]+\])(?::[0-9]{{1,5}})?")
HIGHEST_PORT = 65535
ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")  # a percent sign that begins no escape
SEGMENTS = re.compile(r"[/\\]")


def checked_redirect_uris(uris: Sequence[str]) -> list[str]:
    """Return the URIs, each once; raises Invalid."""
    unique = list(dict.fromkeys(uris))
    if len(unique) > MOST_URIS:
        raise Invalid.field(FIELD, f"must be at most {MOST_URIS}")
    return [checked_redirect_uri(uri) for uri in unique]


def checked_redirect_uri(text: str) -> str:
    """Return the URI: https, http on loopback, or a private-use scheme with a dot (RFC 8252 §7). Raises Invalid."""
    parts = split_uri(text, FIELD)
    if "*" in text:
        raise Invalid.field(FIELD, "must not have a wildcard: it is compared as a string")
    if parts.netloc and AUTHORITY.fullmatch(parts.netloc) is None:
        raise Invalid.field(FIELD, "must have a plain host, without a user, an escape or a trailing dot")
    if not _is_allowed(parts):
        raise Invalid.field(
            FIELD, "must begin with https://, with http:// and a loopback host, or as com.example.app:/"
        )
    if any(segment in (".", "..") for segment in SEGMENTS.split(unquote(parts.path))):
        raise Invalid.field(FIELD, "must not have a dot segment in its path")
    return text


def split_uri(text: str, field: str) -> SplitResult:
    """Return the parts of an absolute URI in ASCII without a fragment (RFC 6749 §3.1.2); raises Invalid."""
    if URI_CHARACTERS.fullmatch(text) is None or ESCAPE.search(text):
        raise Invalid.field(
            field,
            f"must be a URI of at most {LONGEST_URI} ASCII characters without a space, a fragment or a broken escape",
        )
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - raises when it is not a port
    except ValueError:
        raise Invalid.field(field, "is not a URI") from None
    return parts


def is_web(parts: SplitResult) -> bool:
    """Return whether a URI is https, or http on loopback, with a plain host."""
    authority = AUTHORITY.fullmatch(parts.netloc)
    return authority is not None and (
        parts.scheme == "https" or (parts.scheme == "http" and authority[1] in LOOPBACK_HOSTS)
    )


def matches(registered: Sequence[str], asked: str | None) -> str | None:
    """Return the URI to redirect to, None when it is not registered (RFC 9700 §4.1.3).

    Without one the only registered URI is meant (RFC 6749 §3.1.2.3). On loopback the port is free (RFC 8252 §7.3).
    """
    if asked is None:
        return registered[0] if len(registered) == 1 else None
    return asked if asked in registered or _matches_loopback(registered, asked) else None


def _is_allowed(parts: SplitResult) -> bool:
    if parts.scheme in ("https", "http"):
        return is_web(parts)
    return "." in parts.scheme and (bool(parts.netloc) or parts.path.startswith("/"))  # not example.com:8080


def _matches_loopback(registered: Sequence[str], asked: str) -> bool:
    wanted = _read_loopback(asked)
    return wanted is not None and any(_read_loopback(uri) == wanted for uri in registered)


def _read_loopback(uri: str) -> tuple[str, str] | None:
    """Return host and path of an http URI on loopback, whatever its port; None for any other."""
    found = LOOPBACK.fullmatch(uri)
    if found is None or int(found[2] or 0) > HIGHEST_PORT:
        return None
    return found[1], found[3]
