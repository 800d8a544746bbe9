"""What the commands' options have in common: instants, durations, lists."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class TextFile(click.File):
    """A file to read text from, - for stdin; a byte order mark is dropped, what is no text is left to its reader."""

    def __init__(self) -> None:
        super().__init__(encoding="utf-8-sig", errors="surrogateescape")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open it; fails for a stdin that is closed, where click raises AttributeError."""
        if value == "-" and sys.stdin is None:
            self.fail("stdin is closed", param, ctx)
        return super().convert(value, param, ctx)


ANY_TEXT = TextFile()


class Instant(click.ParamType[datetime]):
    """An RFC 3339 time; without an offset it is UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time: write it as in 2030-01-31T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


class Duration(click.ParamType[int]):
    """A number of seconds, or of what the letter behind it says: 45s, 90m, 12h, 30d, 2w."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Give seconds."""
        shape = re.fullmatch(r"(\d{1,12})([smhdw]?)", str(value))
        if shape is None:
            self.fail(f"{value!r} is no duration: write it as in 45s, 90m, 12h, 30d or 2w", param, ctx)
        return int(shape[1]) * SECONDS[shape[2] or "s"]


class Rate(click.ParamType[tuple[int, int]]):
    """Uses in a time: 100/60 or 100/1m."""

    name = "USES/DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        """Give the uses and the seconds."""
        uses, slash, duration = str(value).partition("/")
        if not (slash and uses.isdecimal() and len(uses) < 10):
            self.fail(f"{value!r} is no rate: write it as in 100/60 or 100/1m", param, ctx)
        return int(uses), Duration().convert(duration, param, ctx)


def many(option: str, field: str, says: str) -> Callable[[Command], Command]:
    """Give a command an option that may be repeated, or hold several values with spaces between; () when left out."""

    def split(_ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for value in values for word in value.split())

    return click.option(option, field, multiple=True, callback=split, help=says + " Can be repeated.")


def enabled_option(says: str) -> Callable[[Command], Command]:
    """Give a command --enable and --disable; None when neither is there."""
    return click.option("--enable/--disable", "enabled", default=None, help=says)
