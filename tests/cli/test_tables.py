"""On a terminal a table has the terminal's width; what is pasted from it is never cut. A pipe gets everything."""

import sys
from io import StringIO

import pytest

from app.cli.output import print_table

ROWS = [{"id": "usr_" + "x" * 30, "scopes": ["orders:read"] * 20, "secret": "lk_" + "s" * 41}]


class Pipe(StringIO):
    """A stream with an encoding, as stdout has one."""

    encoding = "utf-8"


class Terminal(Pipe):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def printed(monkeypatch: pytest.MonkeyPatch, stream: StringIO, *whole: str, columns: int = 80) -> list[str]:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "dumb")
    print_table(("id", "scopes", "secret"), ROWS, whole)
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("columns", [80, 120])
def test_the_widest_columns_are_cut_to_a_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines = printed(monkeypatch, Terminal(), columns=columns)
    assert max(map(len, lines)) <= columns
    (row,) = [line for line in lines if "usr_" in line]
    assert str(ROWS[0]["id"]) in row and "…" in row


def test_a_secret_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(printed(monkeypatch, Terminal(), "secret", columns=40))
    assert str(ROWS[0]["secret"]) in text and str(ROWS[0]["id"]) in text


def test_a_pipe_gets_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "…" not in "\n".join(printed(monkeypatch, Pipe()))
