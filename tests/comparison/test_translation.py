"""A measured report in another language: every text is translated, its numbers are written as there."""

from collections.abc import Callable, Iterator

import pytest

from app.comparison.report import Report
from app.web.compare.page import render_file
from app.web.compare.translation import translate, translate_report
from tests.comparison.conftest import Compared
from tests.web.pseudo_locale import PLACEHOLDER, find_untranslated

MEMBERS = ("active", "aud", "client_id", "credential_type", "exp", "iat", "iss", "jti", "scope", "sub", "token_type")


@pytest.fixture
def read_in(compared: Compared, pseudo_locale: None) -> Iterator[Callable[[str], None]]:
    """Read a page in a language until the test ends; Swedish is the language with each text in brackets."""
    contexts = []

    def enter(language: str) -> None:
        contexts.append(compared.app.test_request_context("/compare", headers={"Accept-Language": language}))
        contexts[-1].push()

    yield enter
    for context in reversed(contexts):
        context.pop()


def test_every_cell_that_a_probe_fills_in_is_translated(report: Report, read_in: Callable[[str], None]) -> None:
    read_in("sv")
    rows = translate_report(report).rows
    texts = [text for row in rows if row.measured for text in (row.title, row.source, *map(_text, row.cells.values()))]
    assert len(texts) > 100
    assert not [left for text in texts for left in find_untranslated(text, (*MEMBERS, "username"))]


def test_english_reads_what_was_stored(report: Report, read_in: Callable[[str], None]) -> None:
    read_in("en")
    assert translate_report(report) == report


def test_numbers_are_written_as_in_the_language(read_in: Callable[[str], None]) -> None:
    read_in("sv")
    assert translate("0.50 ms (0.40 to 12.00)") == "0,50⟦ ms (⟧0,40⟦ to ⟧12,00⟦)⟧"
    assert translate("3600") == "3600" and translate("") == ""


def test_a_text_of_another_version_stays_as_it_is(read_in: Callable[[str], None]) -> None:
    read_in("sv")
    assert translate("measured by moonlight") == "measured by moonlight"
    assert translate("goes on: by moonlight") == "⟦goes on: ⟧by moonlight"


def test_a_file_is_in_english_where_its_writer_is_not(report: Report, pseudo_locale: None) -> None:
    page = render_file(report)
    assert '<html lang="en">' in page and "⟦" not in page and not PLACEHOLDER.search(page)


def _text(cell: object) -> str:
    return str(getattr(cell, "text", ""))
