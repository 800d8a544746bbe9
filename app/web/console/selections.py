"""What operators type and tick, beyond what every form holds; and which of its fields a refusal belongs to."""

from __future__ import annotations

from flask import request

from app.errors import Duplicate, Invalid, LatchkeyError
from app.web.form import LONGEST_LINE, chosen, lines
from app.web.page_routes import said_by_field

MOST_PICKED = 500  # as in the API's lists
FURTHER = "further_"  # the field of what is named instead of ticked


def sought(name: str = "q") -> str | None:
    """Give what is looked for in a list, None for everything."""
    given = request.args.get(name, "").strip()[:LONGEST_LINE]
    return given if given and given.isprintable() else None


def picked(name: str) -> tuple[str, ...]:
    """Give what is ticked, and what is named besides because the form could not offer it; raises Invalid."""
    all_of_it = tuple(dict.fromkeys((*chosen(name), *lines(FURTHER + name))))
    if len(all_of_it) > MOST_PICKED or not all(one.isprintable() for one in all_of_it):
        raise Invalid.field(name, f"are at most {MOST_PICKED}, each on one line")
    return all_of_it


def one_of(name: str, *words: str) -> str:
    """Give the word that was chosen of a few; raises Invalid."""
    word = request.form.get(name, "")
    if word not in words:
        raise Invalid.field(name, f"is one of {', '.join(words)}")
    return word


def sent(name: str) -> list[str]:
    """Give what was ticked, right or wrong, to show it again."""
    return [one for one in chosen(name)[:MOST_PICKED] if one.isprintable()]


def by_field(error: LatchkeyError, taken: str) -> dict[str, str]:
    """Give what is wrong by field; a name that is taken belongs to the field `taken`."""
    return {taken: str(error)} if isinstance(error, Duplicate) else said_by_field(error)
