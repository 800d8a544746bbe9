"""/compare in another language: in each of its states every text that a reader sees is translated."""

import re
from dataclasses import replace
from itertools import cycle

import pytest

from app.comparison import measure
from app.comparison.latest import keep
from app.comparison.phrases import IN_PROCESS, PHRASES
from app.comparison.report import MEASURED, Cell, Report
from app.comparison.report import unmeasured as report_without_results
from app.comparison.stated import COLUMNS
from tests.core import ISSUER, START
from tests.management.face import Face
from tests.web.compare.test_comparison import HOSTILE
from tests.web.pseudo_locale import find_untranslated
from tests.web.visitor import browser_of

SWEDISH = {"Accept-Language": "sv"}
GUIDES = {
    "signs_in=yes": 1,
    "signs_in=no&for_person=yes": 1,
    "signs_in=no&for_person=no&others=yes": 1,
    "signs_in=no&for_person=no&others=no&known=yes": 1,
    "signs_in=no&for_person=no&others=no&known=no": 1,
    "signs_in=no": 0,
    "kind=pat&kind=m2m&signs_in=no&for_person=yes": 1,
}


def store(face: Face, cells: list[Cell]) -> None:
    """Store a comparison whose measured cells are these, in turn."""
    texts, settings = cycle(cells), face.core.actions.settings
    rows = [
        replace(row, cells={column: next(texts) for column in row.cells}) if row.measured else row
        for row in report_without_results(ISSUER).rows
    ]
    keep(settings, Report(settings.issuer, START, IN_PROCESS, tuple(rows)))


@pytest.fixture
def measured(face: Face) -> Face:
    """The server with a comparison in which each phrase occurs, and cells that contradict the contract."""
    phrases = [re.sub(r"%\(\w+\)s", "1.5", phrase) for phrase in PHRASES]
    store(face, [Cell(text, agrees=agrees) for text in (*phrases, "nothing", "yes") for agrees in (True, False)])
    return face


def read_as(face: Face, *scopes: str) -> tuple[str, list[str]]:
    """Return the page as a user with these scopes reads it in Swedish, and their name."""
    name = face.person(*scopes)
    user = browser_of(face, name)
    user.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = "sv"
    return user.get("/compare").text, [name]


def test_before_the_first_comparison(unmeasured: Face, pseudo_locale: None) -> None:
    assert not find_untranslated(unmeasured.http.get("/compare", headers=SWEDISH).text)
    for scope in ("users:read", "manage"):
        page, names = read_as(unmeasured, scope)
        assert not find_untranslated(page, names)


def test_with_a_comparison(measured: Face, pseudo_locale: None) -> None:
    page = measured.http.get("/compare", headers=SWEDISH).text
    assert not find_untranslated(page, [ISSUER]) and "contradiction" in page and "1,5⟦ s more⟧" in page
    page, names = read_as(measured, "manage")
    assert not find_untranslated(page, [ISSUER, *names])


@pytest.mark.parametrize(("query", "results"), GUIDES.items())
def test_the_guide(measured: Face, pseudo_locale: None, query: str, results: int) -> None:
    page = measured.http.get(f"/compare?{query}", headers=SWEDISH).text
    assert not find_untranslated(page, [ISSUER]) and page.count("card result") == results


def test_what_the_button_did(unmeasured: Face, pseudo_locale: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.web.compare.comparison.measure", lambda *_: None)
    name = unmeasured.person("manage")
    operator = browser_of(unmeasured, name)
    operator.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = "sv"
    operator.get("/compare")
    operator.post("/compare/run")
    page = operator.get("/compare").text
    assert "cannot be stored" in page and not find_untranslated(page, [name])


def test_a_second_measurement_at_once_is_refused(unmeasured: Face, pseudo_locale: None) -> None:
    name = unmeasured.person("manage")
    operator = browser_of(unmeasured, name)
    operator.http.environ_base["HTTP_ACCEPT_LANGUAGE"] = "sv"
    operator.get("/compare")
    with measure.running:
        refused = operator.post("/compare/run").text
    assert "being made right now" in refused and not find_untranslated(refused, [name])


def test_one_contradiction_is_one(face: Face) -> None:
    store(face, [Cell("seen", agrees=False), *[Cell("seen", agrees=True)] * (len(MEASURED) * len(COLUMNS) - 1)])
    assert "1 cell contradicts the contract." in face.http.get("/compare").text


def test_stored_texts_are_escaped(face: Face, pseudo_locale: None) -> None:
    store(face, [Cell(HOSTILE), Cell(f"goes on: {HOSTILE}"), Cell(f"{HOSTILE}; {HOSTILE}")])
    page = face.http.get("/compare", headers=SWEDISH).text
    assert "<script" not in page and "<img" not in page and "&lt;script" in page
