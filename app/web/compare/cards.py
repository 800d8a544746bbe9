"""The five kinds at a glance: a card each, with a verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.comparison.report import Report
from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one kind, in a few words and in a sentence; `tone` is good, wait or note."""

    tone: str
    word: str
    text: str


@dataclass(frozen=True, slots=True)
class Card:
    """One kind with its verdict, and what the report states of it."""

    column: str
    title: str
    verdict: Verdict
    facts: Sequence[tuple[str, str]]


VERDICTS: Mapping[str, Verdict] = {
    PASSWORD: Verdict("wait", "For people only", "Right for signing in, wrong in a script: it opens everything."),
    PAT: Verdict("good", "For your own programs", "The safe way to let a script act for one person."),
    OAUTH: Verdict("note", "For other makers' apps", "The only one that asks each user first."),
    API_KEY: Verdict("wait", "For public data only", "The simplest, and the only one that names nobody."),
    M2M: Verdict("good", "For backends", "Known by name, short-lived, and tied to no person's account."),
}
FACTS = ("best_for", "security_risk")


def list_cards(report: Report) -> list[Card]:
    """Return a card for each kind."""
    rows = [row for row in report.rows if row.name in FACTS]
    return [
        Card(column, COLUMNS[column], VERDICTS[column], [(row.title, row.cells[column].text) for row in rows])
        for column in report.columns
    ]
