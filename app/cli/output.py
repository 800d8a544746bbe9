"""How commands print: JSON or a secret alone on stdout, words on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command the option --json, which it gets as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def say(text: str) -> None:
    """Tell a person something."""
    click.echo(text, err=True)


def show(value: object) -> None:
    """Print a value as JSON; instants as RFC 3339 in UTC."""
    click.echo(json.dumps(value, indent=2, default=_plain, ensure_ascii=False))


def show_secret(secret: str, said: str) -> None:
    """Print a secret alone on stdout, and what it is on stderr."""
    say(said)
    click.echo(secret)


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; the columns are the fields' names."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*(column.replace("_", " ") for column in columns), box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*(_cell(row.get(column)) for column in columns))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, 500)  # a pipe has no edge to wrap at
    console.print(drawn)


def rfc3339(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(_cell(item) for item in value)
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(item)}" for name, item in value.items())
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)
