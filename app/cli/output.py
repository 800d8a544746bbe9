"""How commands print: JSON, a table or a secret on stdout; notes for a person on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from app.cli.standard_streams import escape_unencodable, print_line, print_note, takes_unicode, undo_unless_printed

NARROWEST = 4  # characters of a column that is cut to the terminal's width
GAP = 3  # characters between two columns, at most
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Add the option --json, which the command receives as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def print_json(value: object) -> None:
    """Print a value as JSON; times as RFC 3339 in UTC."""
    print_line(json.dumps(value, indent=2, default=_serialize, ensure_ascii=not takes_unicode()))


def print_record(as_json: bool, view: Any, **more: object) -> None:
    """Print one object, a frozen dataclass, with further fields of it."""
    fields = _fields(view) | more
    if as_json:
        print_json(fields)
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        print_line(f"{name.replace('_', ' '):<{width}}  {_format_cell(value)}".rstrip())


def print_records(as_json: bool, views: Sequence[Any], columns: Sequence[str]) -> None:
    """Print a list of objects: all fields as JSON, these columns as a table."""
    rows = [_fields(view) for view in views]
    if as_json:
        print_json(rows)
    else:
        print_table(columns, rows)


def print_secret(as_json: bool, view: Any, field: str, secret: str, note: str, undo: Callable[[], str]) -> None:
    """Print a new secret: alone on stdout with a note on stderr, or as `field` of the JSON object.

    When it cannot be printed, `undo` revokes it and returns what it did. Raise LatchkeyError then.
    """
    with undo_unless_printed(undo):
        if as_json:
            print_json(_fields(view) | {field: secret})
        else:
            print_line(secret)
    if not as_json:
        print_note(f"{note} It is not shown again.")


def print_done(as_json: bool, note: str, **fields: object) -> None:
    """Report a change after which there is no object to print: print the fields as JSON, else the note on stderr."""
    if as_json:
        print_json(fields)
    else:
        print_note(note)


def print_table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], whole: Sequence[str] = ()) -> None:
    """Print rows as a table; the columns are names of fields.

    On a terminal the widest columns are cut to its width, but never the first one, which is pasted into the next
    command, nor those named `whole`.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal = Console()
    cells = [[escape_unencodable(_format_cell(row.get(column))) for column in columns] for row in rows]
    uncut = {number: _widest(cells, number) for number, name in enumerate(columns) if number == 0 or name in whole}
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=terminal.is_terminal)
    for number, column in enumerate(columns):
        table.add_column(column.replace("_", " "), no_wrap=number in uncut, min_width=uncut.get(number))
    for line in cells:
        table.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in line))
    least = sum(uncut.get(number, NARROWEST) + GAP for number in range(len(columns)))
    width = max(terminal.width, least if terminal.is_terminal else 500)  # lines are not cut in a pipe
    console = Console(highlight=False, markup=False, emoji=False, width=width, height=100)  # TERM=dumb heeds both only
    with console.capture() as captured:
        console.print(table)
    print_line(captured.get().removesuffix("\n"))


def _widest(cells: Sequence[Sequence[str]], number: int) -> int:
    from rich.cells import cell_len

    return max((cell_len(line[number]) for line in cells), default=0)


def rfc3339(moment: datetime) -> str:
    """Format a time as RFC 3339 in UTC, with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def escape_unprintable(text: str) -> str:
    """Escape unprintable characters in text from outside, such as control sequences for the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _fields(view: Any) -> dict[str, Any]:
    return asdict(view) if is_dataclass(view) and not isinstance(view, type) else dict(view)


def _format_cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(
            str(item["name"]) if isinstance(item, Mapping) and "name" in item else _format_cell(item) for item in value
        )
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_format_cell(item)}" for name, item in value.items())
    return str(value)


def _serialize(value: object) -> object:
    """Convert what JSON has no type for."""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)
