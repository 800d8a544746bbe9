"""The table of tests/README.md names tests that exist."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent.parent
FILE = re.compile(r"([\w/]+\.py)((?: `\w+`,?)+)")


def named() -> list[tuple[str, str]]:
    """Give each (file, test) that the table names."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("|")]
    found = [
        (file, name) for line in table for file, names in FILE.findall(line) for name in re.findall(r"`(\w+)`", names)
    ]
    assert len(found) > 150
    return found


def names_in(file: str) -> set[str]:
    """Give the names of a file's tests, without their prefix."""
    tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
    functions = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {name.removeprefix("test_") for name in functions if name.startswith("test_")}


def test_every_test_that_the_table_names_exists() -> None:
    missing = [f"{file} {name}" for file, name in named() if name not in names_in(file)]
    assert not missing, missing
