"""What the commands' options have in common: files, times, durations, rates, lists."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from app.credentials.kind import RateLimit

Command = TypeVar("Command", bound=Callable[..., Any])
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


class TextFile(click.File):
    """A text file to read, or - for stdin. Drops a byte order mark; keeps undecodable bytes for the caller to judge."""

    def __init__(self) -> None:
        super().__init__(encoding="utf-8-sig", errors="surrogateescape")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the file; fail for a closed stdin, where click raises AttributeError."""
        if value == "-" and sys.stdin is None:
            self.fail("stdin is closed", param, ctx)
        return super().convert(value, param, ctx)


ANY_TEXT = TextFile()


class Instant(click.ParamType[datetime]):
    """An RFC 3339 time; without an offset it is UTC."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Parse the time, and return it in UTC: hours and days begin there."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is not a valid time: use a form such as 2030-01-31T12:00:00Z", param, ctx)


class Duration(click.ParamType[int]):
    """A number with a unit: 45s, 90m, 12h, 30d, 2w. With `seconds`, a bare number is seconds; 0 needs none."""

    name = "DURATION"

    def __init__(self, *, seconds: bool = False) -> None:
        self._seconds = seconds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the duration in seconds."""
        if isinstance(value, int):  # a default
            return value
        shape = re.fullmatch(r"([0-9]{1,12})([smhdw]?)", str(value))
        if shape is None or not (shape[2] or self._seconds or int(shape[1]) == 0):
            self.fail(f"{value!r} is not a valid duration: use 30d, 12h, 90m or 45s", param, ctx)
        return int(shape[1]) * SECONDS[shape[2] or "s"]


class Rate(click.ParamType[RateLimit]):
    """A number of uses in a duration: 100/60 or 100/1m."""

    name = "USES/DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> RateLimit:
        """Return the limit, its window in seconds."""
        uses, slash, duration = str(value).partition("/")
        if not (slash and uses.isdecimal() and len(uses) < 10):
            self.fail(f"{value!r} is not a valid rate: use 100/60 or 100/1m", param, ctx)
        return RateLimit(int(uses), Duration(seconds=True).convert(duration, param, ctx))


def many(
    option: str,
    name: str,
    help: str,
    *,
    required: bool = False,
    complete: Completer | None = None,
    type: click.ParamType[str] = click.STRING,
) -> Callable[[Command], Command]:
    """Add an option that can be repeated, or hold several values separated by spaces; () when omitted.

    `type` converts each value.
    """

    def split(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(type.convert(word, param, ctx) for value in values for word in value.split())

    return click.option(
        option,
        name,
        multiple=True,
        required=required,
        callback=split,
        help=f"{help} Can be repeated.",
        shell_complete=complete,
    )
