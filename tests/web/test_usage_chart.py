"""A chart of use: one bar a day, as high as its share of the busiest day, refusals on top of uses."""

from datetime import timedelta

from app.actions.insight.usage import UsagePoint
from app.web.usage_chart import GAP, HEIGHT, LEAST, STEP, UsageChart, draw_chart
from tests.core import START


def chart_of(*days: tuple[int, int]) -> UsageChart:
    return draw_chart([UsagePoint(START + timedelta(days=index), *day) for index, day in enumerate(days)])


def test_the_busiest_day_fills_the_chart_and_refusals_are_on_top() -> None:
    whole, half = chart_of((30, 10), (20, 0)).bars
    assert (whole.uses_height, whole.refusals_height) == (75.0, 25.0)
    assert (whole.refusals_y, whole.uses_y) == (0.0, 25.0)
    assert (half.uses_height, half.refusals_height, half.uses_y) == (50.0, 0.0, 50.0)


def test_bars_are_side_by_side() -> None:
    chart = chart_of((1, 0), (2, 0), (3, 0))
    assert [bar.x for bar in chart.bars] == [GAP // 2, STEP + GAP // 2, 2 * STEP + GAP // 2] and chart.width == 3 * STEP


def test_what_was_counted_once_is_seen_and_no_bar_leaves_the_chart() -> None:
    chart = chart_of((9_999_999, 1), (1, 0), (1, 9_999_999))
    assert chart.bars[1].uses_height == LEAST and chart.bars[0].refusals_height == LEAST
    assert all(0 <= bar.refusals_y <= bar.uses_y <= HEIGHT for bar in chart.bars)


def test_days_without_use_have_no_bar() -> None:
    chart = chart_of((0, 0), (0, 0))
    assert chart.most == chart.uses == chart.refusals == 0
    assert all(bar.uses_height == bar.refusals_height == 0 for bar in chart.bars)


def test_sums_are_of_all_days() -> None:
    chart = chart_of((3, 1), (0, 2))
    assert (chart.uses, chart.refusals, chart.most, chart.latest) == (3, 3, 4, None)
