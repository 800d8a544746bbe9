"""Render a comparison as HTML: cards, and a table with charts, for a screen, a phone and paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from app.comparison.report import Report, Row
from app.comparison.stated import API_KEY, COLUMNS, M2M, OAUTH, PASSWORD, PAT, ROWS, Source
from app.texts import mark
from app.web.compare.cards import list_cards
from app.web.compare.translation import translate

FASTEST, SLOWEST = 0.05, 500.0  # milliseconds: the ends of a chart's logarithmic axis
WIDTH = 100.0  # of a chart's axis
SHORT: Mapping[str, str] = {  # on the tabs of a phone
    PASSWORD: mark("Password"),
    PAT: mark("PAT"),
    OAUTH: mark("OAuth"),
    API_KEY: mark("API key"),
    M2M: mark("M2M"),
}
SOURCES: Mapping[str, Sequence[Source]] = {row.key: row.sources for row in ROWS}
TOPICS: Mapping[str, Sequence[str]] = {  # what is stated is followed by what was measured of it
    mark("What it is"): ("definition", "best_for", "token_format", "characters"),
    mark("Whose identity"): ("user_context", "user_context_revealed", "fields"),
    mark("What it may do"): ("permission_granularity", "scope_restriction", "smallest_scope"),
    mark("What it costs to use"): ("ease_of_use", "authorization_flow", "requests", "time_to_issue"),
    mark("What it costs to verify"): ("time_to_verify", "time_to_verify_locally", "time_to_verify_with_list"),
    mark("How it ends"): (
        *("revocation", "after_revocation", "after_rotation", "after_role_removal", "after_disabling"),
        *("after_password_change", "after_app_end", "expiry", "after_expiry"),
    ),
    mark("If it is stolen"): ("security_risk", "theft", "mints"),
}
FURTHER = mark("Further")
ENDS = ("median_ms", "min_ms", "max_ms")  # of a timing, in the order of a Bar
TIMINGS, COUNTS = "time_to_", ("characters", "requests", "smallest_scope")  # rows that have bars


@dataclass(frozen=True, slots=True)
class Bar:
    """A measured value as a bar from 0 to `length`, of WIDTH, and the spread of a timing."""

    length: float
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class Topic:
    """Rows of the table that belong together."""

    title: str
    rows: Sequence[Row]


def render_file(report: Report) -> str:
    """Render a self-contained file, in English; every text is escaped."""
    template = _templates().get_template("report.html")
    table = table_values(report, report.columns)
    return template.render(report=report, cards=list_cards(report), style=render_style(), **table)


def table_values(report: Report, columns: Mapping[str, str], shown: str = "") -> dict[str, Any]:
    """Return what table.html shows of these kinds; a phone shows the kind `shown` first."""
    return {
        "topics": list_topics(report),
        "columns": columns,
        "shown": shown if shown in columns else next(iter(columns)),
        "short": {column: translate(name) for column, name in SHORT.items()},
        "sources": SOURCES,
        "measured": report.at is not None,
        "find_bar": find_bar,
        "shortest": translate(f"{FASTEST:g}"),
        "longest": translate(f"{SLOWEST:g}"),
        "width": WIDTH,
    }


@cache
def render_style() -> Markup:
    """Return the style sheet of the cards and the table."""
    return Markup(_templates().get_template("comparison.css").render(kinds=list(COLUMNS)))  # noqa: S704 - names of ours


def list_topics(report: Report) -> list[Topic]:
    """Return the rows by topic; before the first measurement, the stated ones only."""
    rows = {row.name: row for row in report.rows if report.at or not row.measured}
    topics = [
        Topic(translate(title), [rows.pop(name) for name in names if name in rows]) for title, names in TOPICS.items()
    ]
    return [topic for topic in (*topics, Topic(translate(FURTHER), list(rows.values()))) if topic.rows]


def select_columns(report: Report, wanted: Sequence[str]) -> dict[str, str]:
    """Return the titles of the wanted kinds; of all when none of them is known."""
    titles = {column: translate(title) for column, title in report.columns.items()}
    return {column: title for column, title in titles.items() if column in wanted} or titles


def find_bar(row: Row, column: str) -> Bar | None:
    """Return the bar of a timing, of a count, or of the seconds for which a JWT goes on; None for any other cell."""
    value = row.cells[column].value
    if row.name.startswith(TIMINGS):
        timed = isinstance(value, dict) and set(ENDS) <= value.keys()
        return Bar(*(axis_position(value[end]) for end in ENDS)) if timed else None
    number, most = _find_number(row, column), max(_find_number(row, other) or 0.0 for other in row.cells)
    return None if number is None or not most else Bar(round(WIDTH * number / most, 1))


def _find_number(row: Row, column: str) -> float | None:
    """Return a count, or the seconds for which a JWT goes on when it is verified locally."""
    value = row.cells[column].value
    number = value if row.name in COUNTS else value.get("locally") if isinstance(value, dict) else None
    return float(number) if isinstance(number, int | float) else None  # another version may have stored another


def axis_position(milliseconds: float) -> float:
    """Return the position of a time on the logarithmic axis."""
    inside = min(max(milliseconds, FASTEST), SLOWEST)
    return round(WIDTH * math.log(inside / FASTEST) / math.log(SLOWEST / FASTEST), 1)


@cache
def _templates() -> Environment:
    loader = PackageLoader("app.web", "templates/compare")
    templates = Environment(loader=loader, autoescape=select_autoescape(), extensions=["jinja2.ext.i18n"])
    templates.install_null_translations(newstyle=True)  # type: ignore[attr-defined]  # a method of the extension
    return templates
