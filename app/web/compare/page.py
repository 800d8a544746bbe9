"""Render a comparison as HTML: a table for a screen, a phone and paper, and charts of the timings."""

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
ENDS = ("median_ms", "min_ms", "max_ms")  # of a timing, in the order of a Bar


@dataclass(frozen=True, slots=True)
class Bar:
    """One kind's timing: the positions of the median, the fastest and the slowest on the axis."""

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


def render_file(report: Report) -> str:
    """Render a self-contained file; every text is escaped."""
    template = _templates().get_template("report.html")
    return template.render(report=report, table=render_table(report), style=render_style())


def render_table(report: Report) -> Markup:
    """Render the charts and the table, for a page to include."""
    return Markup(  # noqa: S704 - the template escaped it
        _templates().get_template("table.html").render(report=report, charts=list_charts(report), ticks=axis_ticks())
    )


@cache
def render_style() -> Markup:
    """Return the style sheet of the charts and the table."""
    return Markup(_templates().get_template("comparison.css").render())  # noqa: S704 - no value in it


def list_charts(report: Report) -> list[Chart]:
    """Return a chart for each measured row of timings."""
    rows = [row for row in report.rows if row.name.startswith(TIMINGS)]
    return [chart for row in rows if (chart := Chart(row.title, _bars(row, report.columns))).bars]


def axis_ticks() -> list[tuple[str, float]]:
    """Return the labels of the axis and their positions."""
    return [(f"{tick:g} ms", axis_position(tick)) for tick in TICKS]


def axis_position(milliseconds: float) -> float:
    """Return the position of a time on the logarithmic axis."""
    inside = min(max(milliseconds, FASTEST), SLOWEST)
    return round(WIDTH * math.log(inside / FASTEST) / math.log(SLOWEST / FASTEST), 1)


def _bars(row: Row, columns: dict[str, str]) -> list[Bar]:
    values = {title: row.cells[column].value for column, title in columns.items()}
    return [
        Bar(title, f"{value['median_ms']:.2f} ms", *(axis_position(value[end]) for end in ENDS))
        for title, value in values.items()
        if isinstance(value, dict)
    ]


@cache
def _templates() -> Environment:
    return Environment(loader=PackageLoader("app.web", "templates/compare"), autoescape=select_autoescape())
