"""A pytest plugin: `--spec` runs the tests that cite a specification and prints the compliance matrix."""

import re
from collections.abc import Iterable

import pytest

PROPERTY = "spec"
SEVERITY = {"passed": 0, "skipped": 1, "failed": 2}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--spec", action="store_true", help="run the tests that cite a specification, print the matrix")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Write the cited sections on each test's reports; with --spec, leave the other tests out."""
    for item in items:
        item.user_properties += [(PROPERTY, section) for section in _sections(item)]
    if config.getoption("--spec"):
        others = [item for item in items if not item.user_properties]
        items[:] = [item for item in items if item.user_properties]
        config.hook.pytest_deselected(items=others)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--spec"):
        return
    outcomes = _worst_outcomes(report for reports in terminalreporter.stats.values() for report in reports)
    rows = sorted(outcomes, key=lambda row: (_natural(row[0]), row[1]))
    width = max((len(section) for section, _ in rows), default=0)
    terminalreporter.section("compliance matrix")
    for section, test in rows:
        outcome = outcomes[section, test]
        markup = {"green": outcome == "passed", "yellow": outcome == "skipped", "red": outcome == "failed"}
        terminalreporter.write_line(f"{section:<{width}}  {outcome:<7}  {test}", **markup)
    sections = len({section for section, _ in rows})
    passed = sum(outcome == "passed" for outcome in outcomes.values())
    terminalreporter.write_line(f"{sections} sections, {len(rows)} citations, {passed} hold")


def _sections(item: pytest.Item) -> list[str]:
    return [str(section) for mark in item.iter_markers("spec") for section in mark.args]


def _worst_outcomes(reports: Iterable[object]) -> dict[tuple[str, str], str]:
    """Return the outcome of each (section, test), parameters folded together: one failure makes the row fail."""
    worst: dict[tuple[str, str], str] = {}
    for report in reports:
        if not isinstance(report, pytest.TestReport) or (report.when != "call" and report.outcome == "passed"):
            continue
        test = report.nodeid.partition("[")[0].removeprefix("tests/")
        for name, section in report.user_properties:
            if name == PROPERTY:
                row = (str(section), test)
                worst[row] = max(worst.get(row, "passed"), report.outcome, key=SEVERITY.__getitem__)
    return worst


def _natural(section: str) -> list[tuple[int, str]]:
    """Order "RFC 6749 §5.2" before "RFC 6749 §10.1"."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"(\d+)", section)]
