"""The table of tests/README.md names tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent.parent
HEADS = {"line", "trap", "promise", "---"}
NO_TEST = re.compile(r"comes with the pages|does not apply: .+")
FILE = re.compile(r"([\w/]+\.py)((?: `\w+`,?)+)")


def rows() -> list[str]:
    """Return the lines of the tables, without their heads."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.startswith("|") and line[2:].split(" |")[0] not in HEADS]


def named() -> list[tuple[str, str]]:
    """Return each (file, test) that the tables name."""
    found = [
        (file, name) for row in rows() for file, names in FILE.findall(row) for name in re.findall(r"`(\w+)`", names)
    ]
    assert len(found) > 150
    return found


@cache
def names_in(file: str) -> frozenset[str]:
    """Return the names of a file's tests, without their prefix."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return frozenset(name.removeprefix("test_") for name in functions if name.startswith("test_"))


def test_every_test_that_the_table_names_exists() -> None:
    missing = [f"{file} {name}" for file, name in named() if name not in names_in(file)]
    assert not missing, missing


def test_every_line_of_the_tables_names_a_test_or_says_why_not() -> None:
    bare = [row for row in rows() if not FILE.search(row) and not NO_TEST.fullmatch(row.split(" | ")[-1][:-2])]
    assert not bare, bare


def test_no_file_is_named_without_its_tests() -> None:
    loose = [row for row in rows() if row.count(".py") != len(FILE.findall(row))]
    assert not loose, loose
