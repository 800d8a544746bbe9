"""Form fields: read for the actions, refused field by field, and shown again with messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from flask import Response, request

from app.actions.directory.lifetime import LONGEST_EXPIRES_IN
from app.errors import Duplicate, Invalid, LatchkeyError
from app.models.names import BadName, normalize_name
from app.web import pages
from app.web.moments import DURATIONS
from app.web.wordings import translate_refusal

LONGEST_LINE, LONGEST_TEXT = 200, 1000  # characters
LONGEST_DAY = 40  # characters
MOST_SELECTED = 500  # as in the API's lists
FURTHER = "further_"  # the field for names that the form could not offer as boxes


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a form was refused: a message for each field, with "" for a message that belongs to no field.

    `form` names the form on a page that has several.
    """

    error: LatchkeyError
    errors: Mapping[str, str]
    form: str

    @classmethod
    def of(
        cls, error: LatchkeyError, *, form: str = "", duplicate: str = "", rename: Mapping[str, str] | None = None
    ) -> Refusal:
        """Sort the messages by field; `duplicate` is the field of a name that is taken, `rename` maps to our names."""
        if not isinstance(error, Invalid):
            text = translate_refusal(str(error))
            return cls(error, {duplicate if isinstance(error, Duplicate) else "": text}, form)
        names = rename or {}
        fields = {one.field.split(".")[0]: translate_refusal(one.message) for one in error.errors}
        return cls(error, {names.get(name, name): message for name, message in fields.items()}, form)


def errors_of(refusal: Refusal | None, form: str = "") -> Mapping[str, str]:
    """Return the messages by field of one form of a page, none unless it is this form that was refused."""
    return refusal.errors if refusal is not None and refusal.form == form else {}


def render(template: str, refusal: Refusal | None, **values: Any) -> Response:
    """Render a page with a form: empty, or with the values that were sent (`given`) and the messages of a refusal."""
    status = 200 if refusal is None else pages.status_of(refusal.error)
    page = pages.render(template, status, **{"errors": errors_of(refusal), "given": request.form, **values})
    return page if refusal is None else pages.set_retry_after(page, refusal.error)


def read_line(name: str, longest: int = LONGEST_LINE, *, required: bool = True) -> str:
    """Return a line without the space around it; raises Invalid.

    An empty field that is not `required` is "", and one of spaces alone is refused, as the API refuses it.
    """
    sent = request.form.get(name, "")
    line = sent.strip()
    if required and not line:
        raise Invalid.field(name, "is needed")
    if sent and not line:
        raise Invalid.field(name, "must not be blank")
    if len(line) > longest or not line.isprintable():
        raise Invalid.field(name, f"must be one line of at most {longest} characters")
    return line


def read_name(name: str, *, required: bool = True) -> str:
    """Return a normalized name, "" for an empty one that is not `required`; raises Invalid."""
    sent = request.form.get(name, "")
    if not sent.strip():
        return read_line(name, required=required)
    try:
        return normalize_name(sent)
    except BadName as error:
        raise Invalid.field(name, str(error)) from None


def read_text(name: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text of several lines, perhaps empty; raises Invalid."""
    text = request.form.get(name, "").strip().replace("\r\n", "\n")
    if len(text) > longest:
        raise Invalid.field(name, f"must be at most {longest} characters long")
    return text


def read_integer(name: str, least: int, most: int) -> int | None:
    """Return a whole number, None for an empty field; raises Invalid."""
    digits = request.form.get(name, "").strip()
    if not digits:
        return None
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 18 or not least <= int(digits) <= most:
        raise Invalid.field(name, f"must be a whole number from {least} to {most}")
    return int(digits)


def read_duration(name: str, least: int, most: int, unit_name: str = "") -> int | None:
    """Return the seconds of a number and its unit, None for an empty field; raises Invalid."""
    unit = DURATIONS.get(request.form.get(unit_name or f"{name}_unit", "seconds"))
    if unit is None:
        raise Invalid.field(name, f"must be in one of the units {', '.join(DURATIONS)}")
    count = read_integer(name, -(-least // unit), most // unit)
    return None if count is None else count * unit


def read_choice(name: str, *words: str) -> str:
    """Return the chosen one of these words; raises Invalid."""
    word = request.form.get(name, "")
    if word not in words:
        raise Invalid.field(name, f"must be one of {', '.join(words)}")
    return word


def is_checked(name: str) -> bool:
    """Return whether a box is ticked."""
    return name in request.form


def checked_values(name: str) -> tuple[str, ...]:
    """Return the values of the ticked boxes of this name, each once."""
    return tuple(dict.fromkeys(request.form.getlist(name)))


def read_selection(name: str) -> tuple[str, ...]:
    """Return the ticked values and those typed in the field for further ones; raises Invalid."""
    typed = (line.strip() for line in read_text(FURTHER + name).splitlines())
    values = tuple(dict.fromkeys((*checked_values(name), *filter(None, typed))))
    if len(values) > MOST_SELECTED or not all(value.isprintable() for value in values):
        raise Invalid.field(name, f"must be at most {MOST_SELECTED}, each on one line")
    return values


def sent_values(name: str) -> list[str]:
    """Return the ticked values, valid or not, to show them again."""
    return [value for value in checked_values(name)[:MOST_SELECTED] if value.isprintable()]


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


def days_ahead(now: datetime, longest: int | None = None) -> Days:
    """Return the days that a form offers, at whose end no more than `longest` seconds have passed."""
    last = now + timedelta(seconds=LONGEST_EXPIRES_IN if longest is None else min(longest, LONGEST_EXPIRES_IN))
    return Days(now.date(), last.date() - timedelta(days=1))


def read_day(name: str, days: Days) -> datetime | None:
    """Return the end of a day in UTC, None for an empty field; raises Invalid for a day that is not one of `days`."""
    sent = request.form.get(name, "").strip()
    if not sent:
        return None
    try:
        day = datetime.strptime(sent[:LONGEST_DAY], "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise Invalid.field(name, str(days)) from None
    if not days.first <= day.date() <= days.last:
        raise Invalid.field(name, str(days))
    return day + timedelta(days=1)
