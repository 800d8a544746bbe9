"""The comparison as HTML: a table that reads well on a screen, a phone and on paper, and charts of the timings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, select_autoescape
from markupsafe import Markup

from app.comparison.report import Report, Row

FASTEST, SLOWEST = 0.05, 500.0  # milliseconds: the ends of a chart's logarithmic axis
TICKS = (0.1, 1, 10, 100)  # milliseconds
WIDTH = 240.0  # of a chart's axis
TIMINGS = "time_to_"


@dataclass(frozen=True, slots=True)
class Bar:
    """One kind's timing: where the median, the fastest and the slowest lie on the axis."""

    title: str
    text: str
    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Chart:
    """The timings of one row."""

    title: str
    bars: Sequence[Bar]


def as_html(report: Report) -> str:
    """Give one self-contained file; every text is escaped."""
    return _templates().get_template("report.html").render(report=report, table=table_of(report), style=style())


def table_of(report: Report) -> Markup:
    """Give the charts and the table, to stand in a page."""
    return Markup(  # noqa: S704 - the template escaped it
        _templates().get_template("table.html").render(report=report, charts=charts_of(report), ticks=ticks())
    )


@cache
def style() -> Markup:
    """Give the style sheet of charts and table."""
    return Markup(_templates().get_template("comparison.css").render())  # noqa: S704 - a file of ours


def charts_of(report: Report) -> list[Chart]:
    """Give a chart for each measured row of timings."""
    rows = [row for row in report.rows if row.name.startswith(TIMINGS)]
    return [chart for row in rows if (chart := Chart(row.title, _bars(row, report.columns))).bars]


def ticks() -> list[tuple[str, float]]:
    """Give the marks of the axis and where they stand."""
    return [(f"{tick:g} ms", place(tick)) for tick in TICKS]


def place(milliseconds: float) -> float:
    """Give where a time lies on the logarithmic axis."""
    inside = min(max(milliseconds, FASTEST), SLOWEST)
    return round(WIDTH * math.log(inside / FASTEST) / math.log(SLOWEST / FASTEST), 1)


def _bars(row: Row, columns: dict[str, str]) -> list[Bar]:
    return [
        Bar(title, f"{value['median_ms']:.2f} ms", *(place(value[end]) for end in ("median_ms", "min_ms", "max_ms")))
        for column, title in columns.items()
        if isinstance(value := row.cells[column].value, dict)
    ]


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("app.web", "templates/compare"), autoescape=select_autoescape())
