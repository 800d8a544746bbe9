"""The table as text of 80 columns, as JSON and as HTML: the same cells, and every text escaped."""

import json
import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.comparison.latest import keep, latest
from app.comparison.report import Cell, Report, measured_row, stated_rows, unmeasured
from app.comparison.stated import COLUMNS, M2M, PAT
from app.settings.settings import Settings
from app.web.compare.cards import VERDICTS
from app.web.compare.page import (
    FURTHER,
    SLOWEST,
    WIDTH,
    axis_position,
    find_bar,
    list_topics,
    render_file,
    select_columns,
)

ISSUER = "http://127.0.0.1:8080"
AT = datetime(2030, 1, 1, tzinfo=UTC)


def with_cell(cell: Cell) -> Report:
    """Return a report with one measured row of this cell."""
    return Report(ISSUER, AT, "over HTTP", (*stated_rows(), measured_row("theft", dict.fromkeys(COLUMNS, cell))))


def test_it_reads_at_eighty_columns(report: Report) -> None:
    text = report.as_text(80)
    assert max(map(len, text.splitlines())) <= 80
    said = " ".join(text.split())
    assert all(row.title in said for row in report.rows)


def test_json_holds_all_and_is_read_again(report: Report) -> None:
    assert Report.of(json.loads(json.dumps(report.as_json()))).as_json() == report.as_json()


def test_a_contradiction_is_marked_wherever_it_is_shown() -> None:
    broken = with_cell(Cell("it still worked", agrees=False))
    assert f"What a thief reaches, {COLUMNS[PAT]}: it still worked" in broken.contradictions
    assert "!! it still worked" in broken.as_text()
    assert 'contradiction">it still worked' in render_file(broken)


def test_the_file_loads_nothing_and_holds_every_cell(report: Report) -> None:
    page = render_file(report)
    assert not re.search(r"<(script|link|img|iframe)|url\(", page)
    assert page.count('role="cell"') == len(report.rows) * len(COLUMNS)
    assert all(verdict.word in unescape(page) for verdict in VERDICTS.values())
    assert page.count('class="gauge"') > 20


@pytest.mark.parametrize("value", [None, 3, "x", True, [], ["x"], {"locally": None}, {"locally": "x"}])
@pytest.mark.parametrize("key", ["theft", "requests", "time_to_issue", "after_revocation"])
def test_any_stored_value_can_be_shown(key: str, value: object) -> None:
    rows = (*stated_rows(), measured_row(key, dict.fromkeys(COLUMNS, Cell("seen", value))))
    assert "seen" in render_file(Report(ISSUER, AT, "over HTTP", rows))


@hypothesis.settings(deadline=None)  # the first call compiles the templates
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50))
def test_no_text_breaks_out_of_the_page(text: str) -> None:
    page = render_file(with_cell(Cell(f"<script>{text}</script>")))
    assert "<script" not in page


@given(milliseconds=st.floats(0, 10 * SLOWEST))
def test_every_timing_lies_on_the_axis(milliseconds: float) -> None:
    assert 0 <= axis_position(milliseconds) <= WIDTH


def test_a_bar_is_never_longer_than_its_axis(report: Report) -> None:
    bars = [bar for row in report.rows for column in row.cells if (bar := find_bar(row, column))]
    assert all(0 <= bar.low <= bar.high <= WIDTH and 0 <= bar.length <= WIDTH for bar in bars)


def test_each_row_is_in_one_topic(report: Report) -> None:
    topics = list_topics(report)
    assert sorted(row.name for topic in topics for row in topic.rows) == sorted(row.name for row in report.rows)
    assert FURTHER not in {topic.title for topic in topics}


def test_before_the_first_measurement_the_table_has_the_stated_rows_only() -> None:
    topics = list_topics(unmeasured(ISSUER))
    assert not any(row.measured for topic in topics for row in topic.rows)


@pytest.mark.parametrize(
    ("wanted", "columns"),
    [((PAT, M2M), [PAT, M2M]), ((M2M, PAT, "x"), [PAT, M2M]), ((), list(COLUMNS)), (("x",), list(COLUMNS))],
)
def test_the_wanted_kinds_are_selected_and_without_any_all(wanted: tuple[str, ...], columns: list[str]) -> None:
    assert list(select_columns(unmeasured(ISSUER), wanted)) == columns


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(instance_dir=tmp_path, issuer=ISSUER, secret_key="k" * 40)


def test_the_last_one_is_kept_for_all(settings: Settings) -> None:
    report = with_cell(Cell("seen", {"median_ms": 1.0}, True))
    keep(settings, report)
    assert latest(settings).as_json() == report.as_json()


@pytest.mark.parametrize(
    "found", ["", "{", "[]", "{}", '{"rows": 1}', '{"issuer": "x", "at": null, "via": "", "rows": [1]}']
)
def test_what_cannot_be_read_counts_as_never_measured(settings: Settings, tmp_path: Path, found: str) -> None:
    (tmp_path / "comparison.json").write_text(found)
    assert latest(settings) == unmeasured(ISSUER)


def test_what_another_server_measured_is_not_shown(settings: Settings, tmp_path: Path) -> None:
    keep(settings, with_cell(Cell("seen")))
    other = Settings(instance_dir=tmp_path, issuer="http://127.0.0.1:9", secret_key="k" * 40)
    assert latest(other) == unmeasured(other.issuer)
