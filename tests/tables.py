"""The tables of tests/README.md and tests/security/asvs.md, whose last column is made from the markers on the tests.

A row begins with a line of the contract or with a requirement of ASVS. `@pytest.mark.contract("…")` and
`@pytest.mark.asvs("…")` name the rows that a test shows. `python -m tests.tables` writes the last column.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

TESTS = Path(__file__).parent
TABLES = {"contract": TESTS / "README.md", "asvs": TESTS / "security" / "asvs.md"}
FILE = re.compile(r"([\w/]+\.py)((?: `\w+`,?)+)")
NO_TEST = "no test"


@dataclass(frozen=True, slots=True)
class Mark:
    """A row that a test shows; the file is relative to tests/, the test without its prefix."""

    table: str
    row: str
    file: str
    test: str


def marks() -> Iterator[Mark]:
    """Return the marks of every test, in the order of files and lines."""
    for file in sorted(TESTS.rglob("test_*.py")):
        text = file.read_text(encoding="utf-8")
        if any(f"@pytest.mark.{table}(" in text for table in TABLES):
            name = file.relative_to(TESTS).as_posix()
            for function in _tests(text):
                for table, row in _rows_named_by(function):
                    yield Mark(table, row, name, function.name.removeprefix("test_"))


def _tests(text: str) -> list[ast.FunctionDef]:
    found = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    return sorted((node for node in found if node.name.startswith("test_")), key=lambda node: node.lineno)


def _rows_named_by(function: ast.FunctionDef) -> Iterator[tuple[str, str]]:
    for decorator in function.decorator_list:
        if isinstance(decorator, ast.Call):
            marker = ast.unparse(decorator.func).removeprefix("pytest.mark.")
            if marker in TABLES:
                yield from ((marker, str(ast.literal_eval(row))) for row in decorator.args)


def cells(line: str) -> list[str]:
    """Return the cells of a row of a table, none for any other line."""
    return line[2:-2].split(" | ") if line.startswith("| ") and line.endswith(" |") else []


def fill_tables(text: str, found: list[Mark]) -> str:
    """Return a document with the last column of its tables filled from the marks."""
    shown: dict[str, list[Mark]] = {}
    for mark in found:
        shown.setdefault(mark.row, []).append(mark)
    return "\n".join(_line(line, shown) for line in text.split("\n"))


def _line(line: str, shown: dict[str, list[Mark]]) -> str:
    row = cells(line)
    if row and row[0] in shown:
        return _join_cells([*row[:-1], _tests_of(shown[row[0]])])
    return _join_cells([*row[:-1], NO_TEST]) if row and FILE.fullmatch(row[-1].split("; ")[0]) else line


def _tests_of(found: list[Mark]) -> str:
    files = groupby(found, key=lambda mark: mark.file)
    return "; ".join(f"{file} " + ", ".join(f"`{mark.test}`" for mark in inside) for file, inside in files)


def _join_cells(row: list[str]) -> str:
    return f"| {' | '.join(row)} |"


if __name__ == "__main__":
    everything = list(marks())
    for table, document in TABLES.items():
        ours = [mark for mark in everything if mark.table == table]
        document.write_text(fill_tables(document.read_text(encoding="utf-8"), ours), encoding="utf-8")
