"""Names that are taken: the database refuses them; nothing is looked up before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from app.database.statements import is_duplicate
from app.errors import Duplicate


@contextmanager
def translate_duplicates(message: str, **by_column: str) -> Iterator[None]:
    """Turn a unique violation into Duplicate with `message`, or with the text of the column in `by_column`."""
    try:
        yield
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        violated = _constraint_name(error)
        raise Duplicate(next((text for column, text in by_column.items() if column in violated), message)) from None


def _constraint_name(error: IntegrityError) -> str:
    """Return what was violated; PostgreSQL's message holds the value, too, which may look like a column."""
    return str(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or error.orig)
