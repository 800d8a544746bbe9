"""Lists in pages: the filter and the cursor in the query, and the link to the next page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask import request, url_for

from app.errors import Invalid

PAGE = 50  # rows
LONGEST_SEARCH = 200  # characters
LONGEST_TIME = 40  # characters
ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
Word = TypeVar("Word", bound=str)


def read_cursor() -> str | None:
    """Return the id after which the page begins; None for the first page and for a value that is not an id."""
    cursor = request.args.get("after", "")
    return cursor if ROW_ID.fullmatch(cursor) else None


def read_filter(name: str, words: Sequence[Word]) -> Word | None:
    """Return the one of these words that the query names; None for all."""
    wanted = request.args.get(name, "")
    return next((word for word in words if word == wanted), None)


def read_search() -> str | None:
    """Return the text that a list is searched for; None for everything."""
    wanted = request.args.get("q", "").strip()[:LONGEST_SEARCH]
    return wanted if wanted and wanted.isprintable() else None


def read_word(name: str, longest: int = LONGEST_SEARCH) -> str | None:
    """Return a text by which a list is filtered, None for all; raises Invalid."""
    word = request.args.get(name, "").strip()
    if len(word) > longest or not word.isprintable():  # PostgreSQL refuses NUL
        raise Invalid.field(name, f"must be one line of at most {longest} characters")
    return word or None


def read_time(name: str) -> datetime | None:
    """Return an instant by which a list is filtered, None for all; a day is its first instant. Raises Invalid."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        if len(text) > LONGEST_TIME:
            raise ValueError(name)
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid.field(name, "must be a time in UTC such as 2027-01-31T09:30") from None


def next_page(cursor: str | None, endpoint: str = ".index", **values: Any) -> str | None:
    """Return the address of the page after this one; None on the last page."""
    return url_for(endpoint, after=cursor, **values) if cursor else None
