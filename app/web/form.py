"""What people type: read as the actions want it, refused by field where it cannot be read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from flask import request

from app.actions.directory.lifetime import LONGEST
from app.errors import Invalid
from app.http.current import actions
from app.models.names import BadName, normalize_name

LONGEST_LINE, LONGEST_TEXT = 200, 1000  # characters
LONGEST_DAY = 40  # characters
PAGE = 50  # rows
ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def line(name: str, longest: int = LONGEST_LINE, *, needed: bool = True) -> str:
    """Return a line of at most `longest` characters, without the space around it; raises Invalid.

    Where it is not `needed`, an empty field is "", and one of spaces alone is refused, as the API refuses it.
    """
    given = request.form.get(name, "")
    text = given.strip()
    if needed and not text:
        raise Invalid.field(name, "is needed")
    if given and not text:
        raise Invalid.field(name, "must not be blank")
    if len(text) > longest or not text.isprintable():
        raise Invalid.field(name, f"is one line of at most {longest} characters")
    return text


def read_name(name: str, *, needed: bool = True) -> str:
    """Return the name of a thing as it is kept, "" for none that is not `needed`; raises Invalid."""
    given = request.form.get(name, "")
    if not given.strip():
        return line(name, needed=needed)
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


@dataclass(frozen=True, slots=True)
class Days:
    """The days at whose end something may expire; `last` is before `first` where a lifetime is shorter than a day."""

    first: date
    last: date

    def __str__(self) -> str:
        """Return which day must be chosen, or that none can be."""
        if self.first <= self.last:
            return f"must be a day from {self.first} to {self.last}"
        return "no day can be chosen: the longest lifetime allowed is shorter than a day"


def days_ahead(longest: int | None = None) -> Days:
    """Return the days that a form offers, at whose end no more than `longest` seconds have passed."""
    now = actions().clock()
    last = now + timedelta(seconds=LONGEST if longest is None else min(longest, LONGEST))
    return Days(now.date(), last.date() - timedelta(days=1))


def day(name: str, longest: int | None = None) -> datetime | None:
    """Return the end of a day in UTC, None for an empty field; raise Invalid for a day that `days_ahead` has not."""
    given, allowed = request.form.get(name, "").strip(), days_ahead(longest)
    if not given:
        return None
    try:
        chosen_day = datetime.strptime(given[:LONGEST_DAY], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid.field(name, str(allowed)) from None
    if not allowed.first <= chosen_day.date() <= allowed.last:
        raise Invalid.field(name, str(allowed))
    return chosen_day + timedelta(days=1)


def after() -> str | None:
    """Give the id that a list goes on after, None for its beginning and for what can be no id."""
    given = request.args.get("after", "")
    return given if ROW_ID.fullmatch(given) else None


def lines(name: str) -> tuple[str, ...]:
    """Give the lines of a text, without empty ones."""
    return tuple(one.strip() for one in text(name).splitlines() if one.strip())
