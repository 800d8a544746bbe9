"""The five kinds at a glance: a card each, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.comparison.report import Report
from app.comparison.stated import API_KEY, M2M, OAUTH, PASSWORD, PAT
from app.texts import mark
from app.web.compare.translation import translate


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one kind, in a few words and in a sentence; `tone` is good, wait or note."""

    tone: str
    word: str
    text: str

    def translate(self) -> Verdict:
        """Return it in the language of the page."""
        return Verdict(self.tone, translate(self.word), translate(self.text))


@dataclass(frozen=True, slots=True)
class Card:
    """One kind with its verdict, and what the report states of it."""

    column: str
    title: str
    verdict: Verdict
    facts: Sequence[tuple[str, str]]


VERDICTS: Mapping[str, Verdict] = {
    PASSWORD: Verdict(
        "wait", mark("For people only"), mark("Right for signing in, wrong in a script: it opens everything.")
    ),
    PAT: Verdict("good", mark("For your own programs"), mark("The safe way to let a script act for one person.")),
    OAUTH: Verdict("note", mark("For other makers' apps"), mark("The only one that asks each user first.")),
    API_KEY: Verdict("wait", mark("For public data only"), mark("The simplest, and the only one that names nobody.")),
    M2M: Verdict("good", mark("For backends"), mark("Known by name, short-lived, and tied to no person's account.")),
}
FACTS = ("best_for", "security_risk")


def list_cards(report: Report) -> list[Card]:
    """Return a card for each kind, in the language of the page and of the report."""
    rows = [row for row in report.rows if row.name in FACTS]
    return [
        Card(column, translate(title), VERDICTS[column].translate(), [(it.title, it.cells[column].text) for it in rows])
        for column, title in report.columns.items()
    ]
