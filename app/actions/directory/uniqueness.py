"""A name that is taken: the database says so, never a look before the leap."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from app.database.statements import is_duplicate
from app.errors import Duplicate


@contextmanager
def refusing_duplicates(message: str, **by_column: str) -> Iterator[None]:
    """Stand around a transaction: a name that is taken raises Duplicate with `message`, or the named column's own."""
    try:
        yield
    except IntegrityError as error:
        if not is_duplicate(error):
            raise
        said = _constraint(error)
        raise Duplicate(next((text for column, text in by_column.items() if column in said), message)) from None


def _constraint(error: IntegrityError) -> str:
    """Name what was broken; PostgreSQL's text holds the value too, which may look like a column."""
    return str(getattr(getattr(error.orig, "diag", None), "constraint_name", None) or error.orig)
