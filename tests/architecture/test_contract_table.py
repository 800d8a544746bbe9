"""The tables of tests equal the markers, and each row has a test or a reason."""

import re
from functools import cache

import pytest

from tests.architecture.checkout import functions
from tests.tables import FILE, TABLES, TESTS, Mark, cells, fill_tables, marks

HEADS = {"line", "trap", "promise", "---"}
NO_TEST = re.compile(r"comes with the pages|does not apply: .+")


@cache
def marks_of(table: str) -> list[Mark]:
    """Return the marks that name rows of a table."""
    return [mark for mark in _all_marks() if mark.table == table]


@cache
def _all_marks() -> list[Mark]:
    return list(marks())


def rows() -> list[str]:
    """Return the rows of the tables, without their heads."""
    text = TABLES["contract"].read_text(encoding="utf-8").partition("\n## ")[2]
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
    names = [function.name for function in functions(TESTS / file)]
    return frozenset(name.removeprefix("test_") for name in names if name.startswith("test_"))


def test_every_test_that_the_table_names_exists() -> None:
    missing = [f"{file} {name}" for file, name in named() if name not in names_in(file)]
    assert not missing, missing


def test_every_line_of_the_tables_names_a_test_or_says_why_not() -> None:
    bare = [row for row in rows() if not FILE.search(row) and not NO_TEST.fullmatch(row.split(" | ")[-1][:-2])]
    assert not bare, bare


def test_no_file_is_named_without_its_tests() -> None:
    loose = [row for row in rows() if row.count(".py") != len(FILE.findall(row))]
    assert not loose, loose


@pytest.mark.parametrize("table", TABLES)
def test_the_tables_are_what_the_markers_say(table: str) -> None:
    text = TABLES[table].read_text(encoding="utf-8")
    assert text == fill_tables(text, marks_of(table)), "run: python -m tests.tables"


@pytest.mark.parametrize("table", TABLES)
def test_every_marker_names_a_row(table: str) -> None:
    there = {cells(line)[0] for line in TABLES[table].read_text(encoding="utf-8").splitlines() if cells(line)}
    assert {mark.row for mark in marks_of(table)} - there == set()


def test_a_row_names_its_tests_by_file_and_says_when_it_lost_them() -> None:
    found = [Mark("contract", "two", "a/test_b.py", "c"), Mark("contract", "two", "a/test_b.py", "d")]
    text = "| one | test_x.py `gone` |\n| two | answer |  |\n| three | does not apply: why |"
    assert fill_tables(text, found) == (
        "| one | no test |\n| two | answer | a/test_b.py `c`, `d` |\n| three | does not apply: why |"
    )
