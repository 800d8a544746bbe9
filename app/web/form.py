"""What people type: read as the actions want it, refused by field where it cannot be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from flask import request

from app.errors import Invalid
from app.names import BadName, normalize_name

LONGEST_LINE, LONGEST_TEXT = 200, 1000  # characters
PAGE = 50  # rows
ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def line(name: str, longest: int = LONGEST_LINE, *, needed: bool = True) -> str:
    """Give a line of at most `longest` characters, without the space around it; raises Invalid."""
    text = request.form.get(name, "").strip()
    if needed and not text:
        raise Invalid.field(name, "is needed")
    if len(text) > longest or not text.isprintable():
        raise Invalid.field(name, f"is one line of at most {longest} characters")
    return text


def read_name(name: str, *, needed: bool = True) -> str:
    """Return the name of a thing as it is kept, "" for none that is not `needed`; raises Invalid."""
    given = request.form.get(name, "")
    if not given.strip():
        return "" if not needed else line(name)
    try:
        return normalize_name(given)
    except BadName as error:
        raise Invalid.field(name, str(error)) from None


def text(name: str) -> str:
    """Give a longer text, perhaps empty; raises Invalid."""
    given = request.form.get(name, "").strip().replace("\r\n", "\n")
    if len(given) > LONGEST_TEXT:
        raise Invalid.field(name, f"is at most {LONGEST_TEXT} characters long")
    return given


def chosen(name: str) -> tuple[str, ...]:
    """Give the ticked boxes of one name, each once."""
    return tuple(dict.fromkeys(request.form.getlist(name)))


def ticked(name: str) -> bool:
    """Tell whether a box is ticked."""
    return name in request.form


def whole(name: str, least: int, most: int) -> int | None:
    """Give a whole number, None for an empty field; raises Invalid."""
    given = request.form.get(name, "").strip()
    if not given:
        return None
    if not given.isascii() or not given.isdecimal() or len(given) > 18 or not least <= int(given) <= most:
        raise Invalid.field(name, f"is a whole number from {least} to {most}")
    return int(given)


def day(name: str) -> datetime | None:
    """Give the end of a day in UTC, None for an empty field; raises Invalid."""
    given = request.form.get(name, "").strip()
    if not given:
        return None
    try:
        return datetime.strptime(given, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Invalid.field(name, "is a day such as 2027-01-31") from None


def after() -> str | None:
    """Give the id that a list goes on after, None for its beginning and for what can be no id."""
    given = request.args.get("after", "")
    return given if ROW_ID.fullmatch(given) else None


def lines(name: str) -> tuple[str, ...]:
    """Give the lines of a text, without empty ones."""
    return tuple(one.strip() for one in text(name).splitlines() if one.strip())
