"""How commands print: JSON or a secret alone on stdout, words on stderr."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from app.cli.streams import encodable, say, takes_unicode, tell, undone_unless_printed

__all__ = ["done", "json_option", "printable", "rfc3339", "say", "show", "show_all", "show_one", "show_secret", "table"]
Command = TypeVar("Command", bound=Callable[..., Any])


def json_option(command: Command) -> Command:
    """Give a command the option --json, which it gets as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def show(value: object) -> None:
    """Print a value as JSON; instants as RFC 3339 in UTC."""
    tell(json.dumps(value, indent=2, default=_plain, ensure_ascii=not takes_unicode()))


def show_one(as_json: bool, view: Any, **more: object) -> None:
    """Print one object, a frozen dataclass, and what else is to be said of it."""
    fields = _fields(view) | more
    if as_json:
        show(fields)
        return
    width = max(map(len, fields))
    for name, value in fields.items():
        tell(f"{name.replace('_', ' '):<{width}}  {_cell(value)}".rstrip())


def show_all(as_json: bool, views: Sequence[Any], columns: Sequence[str]) -> None:
    """Print a list of objects: whole as JSON, these columns as a table."""
    rows = [_fields(view) for view in views]
    if as_json:
        show(rows)
    else:
        table(columns, rows)


def show_secret(as_json: bool, view: Any, field: str, secret: str, said: str, undo: Callable[[], str]) -> None:
    """Print a secret, once: alone on stdout with words on stderr, or as `field` of the JSON object.

    When it cannot be printed, `undo` ends what it opens and says so. Raise LatchkeyError then.
    """
    with undone_unless_printed(undo):
        if as_json:
            show(_fields(view) | {field: secret})
        else:
            tell(secret)
    if not as_json:
        say(f"{said} It is shown this once.")


def done(as_json: bool, said: str, **fields: object) -> None:
    """Say that something was done which leaves nothing to show."""
    if as_json:
        show(fields)
    else:
        say(said)


def table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; the columns are the fields' names."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    drawn = Table(*(column.replace("_", " ") for column in columns), box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*(encodable(_cell(row.get(column))) for column in columns))
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = max(console.width, 500)  # a pipe has no edge to wrap at
    with console.capture() as captured:
        console.print(drawn)
    tell(captured.get().removesuffix("\n"))


def rfc3339(moment: datetime) -> str:
    """Write an instant as RFC 3339 in UTC, with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def printable(text: str) -> str:
    """Write a text of others so that it does not speak to the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)


def _fields(view: Any) -> dict[str, Any]:
    return asdict(view) if is_dataclass(view) and not isinstance(view, type) else dict(view)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return " ".join(
            str(item["name"]) if isinstance(item, Mapping) and "name" in item else _cell(item) for item in value
        )
    if isinstance(value, Mapping):
        return " ".join(f"{name}={_cell(item)}" for name, item in value.items())
    return str(value)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return rfc3339(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)
