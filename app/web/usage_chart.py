"""The chart of a credential's use: bars of uses and refusals by day, which a template draws as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.actions.insight.usage import ReadUsage, UsagePoint, UsageRow, Whose

HEIGHT, STEP, GAP, LEAST = 100.0, 20, 4, 2.0  # in units of the SVG; what was counted once is seen


@dataclass(frozen=True, slots=True)
class Bar:
    """A day of the chart: the refusals are drawn on top of the uses; `y` grows downwards."""

    point: UsagePoint
    x: int
    uses_height: float
    refusals_height: float

    @property
    def uses_y(self) -> float:
        """Return where the uses begin."""
        return round(HEIGHT - self.uses_height, 1)

    @property
    def refusals_y(self) -> float:
        """Return where the refusals begin, above the uses."""
        return round(self.uses_y - self.refusals_height, 1)


@dataclass(frozen=True, slots=True)
class UsageChart:
    """The bars of a credential and its outcomes, the most frequent first."""

    bars: tuple[Bar, ...]
    outcomes: tuple[UsageRow, ...]
    most: int

    width_of_bar = STEP - GAP
    height = HEIGHT

    @property
    def width(self) -> int:
        """Return the width of all bars."""
        return len(self.bars) * STEP

    @property
    def uses(self) -> int:
        """Return how often the credential was accepted."""
        return sum(bar.point.uses for bar in self.bars)

    @property
    def refusals(self) -> int:
        """Return how often the credential was refused."""
        return sum(bar.point.refusals for bar in self.bars)

    @property
    def latest(self) -> UsageRow | None:
        """Return the outcome that was counted last, with its address and its resource server."""
        return max(self.outcomes, key=_last_use, default=None)


def read_chart(read_usage: ReadUsage, whose: Whose) -> UsageChart:
    """Return the chart of the last 30 days, by a number of queries that does not depend on how much was counted."""
    points = read_usage.days(whose)
    if not any(point.uses or point.refusals for point in points):
        return draw_chart(points)
    return draw_chart(points, read_usage.of(whose, since=points[0].starts_at, group_by="outcome"))


def draw_chart(points: Sequence[UsagePoint], outcomes: Sequence[UsageRow] = ()) -> UsageChart:
    """Return a bar for each point; the highest one fills the chart."""
    most = max((point.uses + point.refusals for point in points), default=0)
    bars = tuple(_draw_bar(point, index, most) for index, point in enumerate(points))
    return UsageChart(bars, tuple(outcomes), most)


def _draw_bar(point: UsagePoint, index: int, most: int) -> Bar:
    uses, refusals = _height(point.uses, most), _height(point.refusals, most)
    beyond = max(0.0, uses + refusals - HEIGHT)  # by LEAST: the larger of the two gives way
    if uses > refusals:
        uses -= beyond
    else:
        refusals -= beyond
    return Bar(point, index * STEP + GAP // 2, round(uses, 1), round(refusals, 1))


def _height(count: int, most: int) -> float:
    return max(LEAST, round(HEIGHT * count / most, 1)) if count else 0.0


def _last_use(row: UsageRow) -> datetime:
    return row.last_used_at
