"""How long an answer may be kept, as its headers say (RFC 9111 §4.2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

NOT_KEPT = frozenset({"no-store", "no-cache"})
MOST_DIGITS = 9  # of a number of seconds


def lifetime_of(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return the seconds for which an answer is fresh from now on; None where it does not say."""
    read = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
    directives = _read_directives(read.get("cache-control", ""))
    if directives.keys() & NOT_KEPT:
        return 0.0
    if (max_age := _read_seconds(directives.get("max-age"))) is not None:
        return max(0.0, max_age - (_read_seconds(read.get("age")) or 0.0))
    return _until_expires(read)


def _read_directives(text: str) -> dict[str, str]:
    parts = (part.partition("=") for part in text.split(","))
    return {name.strip().lower(): value.strip().strip('"') for name, _, value in parts}


def _read_seconds(text: str | None) -> float | None:
    return float(text) if text and text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS else None


def _until_expires(headers: Mapping[str, str]) -> float | None:
    """Return the seconds from the answer's own `Date` to its `Expires`: our clock may differ from the server's."""
    if "expires" not in headers:
        return None
    expires, date = _read_date(headers["expires"]), _read_date(headers.get("date", ""))
    return max(0.0, (expires - date).total_seconds()) if expires and date else 0.0  # RFC 9111 §5.3: invalid is past


def _read_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).replace(tzinfo=None)  # both are in GMT
    except (ValueError, TypeError, OverflowError):
        return None
