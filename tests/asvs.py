"""The rows of tests/security/asvs.md, and a pytest plugin: after a whole run the tests named there must have passed."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

TABLE = Path("tests/security/asvs.md")
ROW = re.compile(r"^\| ((?:\d+\.\d+\.\d+(?:–\d+)?(?:, )?)+) \| (.*?) \| (.*?) \|$", re.M)
FILE = re.compile(r"([\w/]+\.py)((?: `\w+`,?)+)")
NARROWING = ("keyword", "markexpr", "deselect", "ignore_glob", "lf", "spec", "collectonly", "maxfail")


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: the requirements that it answers, the answer, and the tests that show it."""

    numbers: tuple[str, ...]
    answer: str
    shown_by: str

    @property
    def tests(self) -> tuple[tuple[str, str], ...]:
        """Return each (file, test) that the row names: files relative to tests/, tests by their whole name."""
        named = FILE.findall(self.shown_by)
        return tuple((file, f"test_{name}") for file, names in named for name in re.findall(r"`(\w+)`", names))


def rows(text: str) -> list[Row]:
    """Read the rows that begin with the number of a requirement, as in `1.2.3`, `1.2.3–5` or `1.2.3, 1.2.5`."""
    return [Row(tuple(_numbers(numbers)), answer, shown_by) for numbers, answer, shown_by in ROW.findall(text)]


def _numbers(written: str) -> Iterable[str]:
    for part in written.split(", "):
        first, _, last = part.partition("–")
        section, _, begin = first.rpartition(".")
        yield from (f"{section}.{number}" for number in range(int(begin), int(last or begin) + 1))


def named_tests(text: str) -> set[str]:
    """Return the tests that any line of the table names, as in `tests/a/test_b.py::test_c`."""
    found = FILE.findall(text)
    return {f"tests/{file}::test_{name}" for file, names in found for name in re.findall(r"`(\w+)`", names)}


class Ran:
    """Record the outcome of each test, and fail a whole run in which a named one did not pass."""

    def __init__(self, named: set[str], ignored: Iterable[str]) -> None:
        left_out = tuple(str(Path(path)) for path in ignored)
        self._named = {test for test in named if not _below(test.partition("::")[0], left_out)}
        self._outcomes: dict[str, set[str]] = {}
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of a test, with its parameters folded together."""
        if report.when == "call" or report.outcome != "passed":
            self._outcomes.setdefault(report.nodeid.partition("[")[0], set()).add(report.outcome)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Fail a run that passed otherwise but lacks a named test."""
        if exitstatus != pytest.ExitCode.OK:
            return
        unseen = sorted(test for test in self._named if "passed" not in self._outcomes.get(test, ()))
        skipped = [test for test in unseen if "skipped" in self._outcomes.get(test, ())]
        self._lines = [f"ASVS: not shown on this machine, which lacks a tool: {test}" for test in skipped]
        if missing := [test for test in unseen if os.environ.get("CI") == "true" or test not in skipped]:
            self._lines = [f"ASVS: {TABLE} names tests that did not run: {', '.join(missing)}"]
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print which tests were missing."""
        for line in self._lines:
            terminalreporter.write_line(line, red=True)


def pytest_configure(config: pytest.Config) -> None:
    """Watch runs of the whole suite; with xdist in the process to which the others report."""
    table = config.rootpath / TABLE
    narrowed = any(config.getoption(name, None) for name in NARROWING)
    everything = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    if everything and not narrowed and not hasattr(config, "workerinput") and table.is_file():
        named = named_tests(table.read_text(encoding="utf-8"))
        config.pluginmanager.register(Ran(named, config.getoption("ignore", None) or ()), "asvs-ran")


def _below(file: str, folders: Iterable[str]) -> bool:
    return any(file == folder or file.startswith(f"{folder}/") for folder in folders)
