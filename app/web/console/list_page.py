"""A list of the console: what its query asks for, its page, and its file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from flask import Response, request

from app.actions.directory.fields import LONGEST_IDENTIFIER
from app.actions.directory.rows import NEWEST, Found, ListQuery
from app.database.redaction import holds_secret
from app.errors import Invalid
from app.web import form, lists
from app.web.csv_file import CSV_TYPE, MOST_EXPORTED, answer_file, exporting, write_csv

ENABLED = {"enabled": True, "disabled": False}  # the words of a filter
NOT_SEARCHED = "must not be a whole secret: Search by secret finds it, and keeps it out of addresses"
Word = TypeVar("Word", bound=str)
SEPARATORS = {"roles": "; "}  # names of roles may hold spaces; scopes and identifiers do not


@dataclass(frozen=True, slots=True)
class ListPage:
    """A list: the name of its template and of its files, its orders, its filters, and the columns of its files."""

    name: str
    sorts: Sequence[str]
    filters: Sequence[str]
    columns: Sequence[str]

    def read(self) -> ListQuery:
        """Return which page the query asks for; raises Invalid."""
        return ListQuery(lists.PAGE, lists.read_cursor(), self.read_sort(), _read_search())

    def read_all(self, most: int) -> ListQuery:
        """Return the whole list as one page of at most so many rows; raises Invalid."""
        return ListQuery(most, None, self.read_sort(), _read_search())

    def read_sort(self) -> str:
        """Return the chosen order, newest first where none is."""
        return lists.read_filter("sort", self.sorts) or NEWEST

    def query(self) -> dict[str, Any]:
        """Return the query of this list, without its page and without secrets: links repeat it."""
        sent = {name: request.args.get(name, "") for name in ("q", *self.filters, "sort")}
        return {name: value[:LONGEST_IDENTIFIER] for name, value in sent.items() if value and not holds_secret(value)}

    def render(self, found: Found[Any], refusal: form.Refusal | None = None, **values: Any) -> Response:
        """Render a page of the list."""
        given = self.query()
        return form.render(
            f"console/{self.name.replace('-', '_')}.html",
            refusal,
            found=found.rows,
            count=found.count,
            given=given,
            filtered=bool(given.keys() - {"sort"}),
            sort=self.read_sort(),
            most=MOST_EXPORTED,
            next_page=lists.next_page(found.cursor, **given),
            **values,
        )

    def export(self, find: Callable[[ListQuery], Found[Any]], at: datetime) -> Response:
        """Return what matches as CSV (RFC 4180), in which no cell is a formula."""
        with exporting():
            found = find(self.read_all(MOST_EXPORTED))
            note = f"cut after {MOST_EXPORTED} of {found.count}: narrow the filter for the others"
            rows = ([_cell(name, getattr(one, name)) for name in self.columns] for one in found.rows)
            text = write_csv(self.columns, rows, note if found.cursor else None)
        return answer_file(text, self.name, at, "csv", CSV_TYPE)


def read_choice(name: str, words: Sequence[Word]) -> Word | None:
    """Return the one of these words that the query names, None for all; raises Invalid.

    An unknown word is not taken for all: a button below the list revokes whatever matches.
    """
    wanted = request.args.get(name, "")
    if wanted and wanted not in words:
        raise Invalid.field(name, f"must be one of {', '.join(words)}")
    return next((word for word in words if word == wanted), None)


def read_enabled() -> bool | None:
    """Return whether the query asks for what is enabled or disabled, None for all; raises Invalid."""
    word = read_choice("status", tuple(ENABLED))
    return None if word is None else ENABLED[word]


def _read_search() -> str | None:
    """Return the text that the list is searched for, None for everything; raises Invalid."""
    text = lists.read_word("q")
    if holds_secret(text):
        raise Invalid.field("q", NOT_SEARCHED)
    return text


def _cell(name: str, value: Any) -> str:
    """Return a value as the text of a cell; of an object that has a name the name."""
    if isinstance(value, tuple):
        return SEPARATORS.get(name, " ").join(str(getattr(one, "name", one)) for one in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)
