"""CSV files of lists (RFC 4180), in which no cell is a formula, and at most one of which is made at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime

from flask import Response

from app.actions.limits.concurrency import ConcurrencyLimit

MOST_EXPORTED = 10_000  # rows of a file
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # the first character of what a spreadsheet runs
CSV_TYPE = "text/csv; charset=utf-8; header=present"
exporting = ConcurrencyLimit(1, 1, 2.0)  # a file of MOST_EXPORTED rows takes the better part of a second


def write_csv(columns: Sequence[str], rows: Iterable[Iterable[str]], note: str | None = None) -> str:
    """Return the text of a file; the `note`, such as where it was cut, is its last line."""
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(columns)
    table.writerows([_escape_formula(cell) for cell in row] for row in rows)
    if note:
        table.writerow([*[""] * 5, note])
    return out.getvalue()


def answer_file(text: str, name: str, at: datetime, suffix: str, content_type: str) -> Response:
    """Return a file to save, named after what it lists and when."""
    response = Response(text.encode("utf-8", "replace"), content_type=content_type)
    filename = f"latchkey-{name}-{at.strftime('%Y%m%dT%H%M%SZ')}.{suffix}"
    response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def _escape_formula(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell
