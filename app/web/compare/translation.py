"""Translate the texts of a comparison for the page that shows it; a file that a command writes stays English."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal

from flask_babel import format_decimal, get_locale, gettext

from app.comparison.phrases import recognize
from app.comparison.report import Report, Row

NUMBER = re.compile(r"[0-9]{1,15}(?:\.([0-9]{1,15}))?")


def translate_report(report: Report) -> Report:
    """Return the report in the language of the page; a text that no catalog has stays as it is."""
    return replace(report, via=translate(report.via), rows=tuple(map(_translate_row, report.rows)))


def translate(text: str) -> str:
    """Return a text of the comparison in the language of the page, with its numbers as they are written there."""
    locale = get_locale()
    if not text or locale is None or locale.language == "en":
        return text
    if number := NUMBER.fullmatch(text):
        return str(format_decimal(Decimal(text), "0." + "0" * len(number[1]) if number[1] else "0"))
    translated = str(gettext(text))
    found = recognize(text) if translated == text else None
    if found is None:
        return translated
    phrase, filled_in = found
    return str(gettext(phrase, **{name: translate(value) for name, value in filled_in.items()}))


def _translate_row(row: Row) -> Row:
    cells = {column: replace(cell, text=translate(cell.text)) for column, cell in row.cells.items()}
    return replace(row, title=translate(row.title), source=translate(row.source), cells=cells)
