"""Options that follow from a record of app/actions/directory: one for each of its fields.

@options_of(NewKey, resource="Identifier or id of the API resource.", enabled=Option("Disable it.", "--disabled"))
def create(new: NewKey) -> None: ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from datetime import datetime
from functools import wraps
from typing import Any

import click

from app.actions.directory.changes import UNSET
from app.actions.directory.fields import RecordField, fields_of
from app.cli.options import Instant, Rate, many
from app.credentials.kind import RateLimit

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
TYPES: dict[type, click.ParamType[Any]] = {str: click.STRING, int: click.INT, datetime: Instant(), RateLimit: Rate()}


@dataclass(frozen=True, slots=True)
class Option:
    """What the command line adds to a field: its help, another name, another type, a flag that clears the field."""

    help: str | None = None
    flags: str | None = None
    type: click.ParamType[Any] | None = None
    clear: str | None = None
    clear_help: str | None = None


def options_of(record: type, /, **described: Option | str | None) -> Decorator:
    """Add an option for each field of a record; the command receives the record as its first argument.

    `described` holds a field's help or its `Option`; None leaves the field out, at its default. In a record of
    changes, an empty text clears a field that may be null.
    """
    if unknown := described.keys() - {field.name for field in _flatten(record)}:
        raise TypeError(f"{record.__name__} has no {', '.join(sorted(unknown))}")
    fields = [field for field in _flatten(record) if described.get(field.name, "") is not None]
    options = [option for field in fields for option in _options(field, _describe(described.get(field.name)))]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_record(**values: Any) -> Any:
            given = {field.name: _take(field, values) for field in fields}
            return command(_build(record, given), **values)

        for option in reversed(options):  # click lists the options of the last decorator first
            option(with_record)
        return with_record

    return decorate


def _flatten(record: type) -> Iterator[RecordField]:
    """List the fields of a record, with those of a nested record in its place."""
    for field in fields_of(record):
        if _is_nested(field):
            yield from _flatten(field.type.base)
        else:
            yield field


def _is_nested(field: RecordField) -> bool:
    return is_dataclass(field.type.base) and field.type.base not in TYPES


def _describe(described: Option | str | None) -> Option:
    return described if isinstance(described, Option) else Option(described)


def _options(field: RecordField, option: Option) -> Iterator[Decorator]:
    if field.type.base is tuple:
        yield many(option.flags or f"{_flag(field).removesuffix('s')}", f"given_{field.name}", option.help or "")
    elif field.type.base is bool:
        yield _switch(field, option)
    else:
        yield _single(field, option)
    if option.clear:
        yield click.option(option.clear, f"clear_{field.name}", is_flag=True, help=option.clear_help)


def _flag(field: RecordField) -> str:
    return f"--{field.name.replace('_', '-')}"


def _switch(field: RecordField, option: Option) -> Decorator:
    """Return a pair of flags for a change, else a flag for the opposite of the default."""
    if field.default is UNSET:
        pair = option.flags or f"{_flag(field)}/--no-{_flag(field)[2:]}"
        return click.option(pair, f"given_{field.name}", default=None, help=option.help)
    opposite = not field.default
    return click.option(
        option.flags or _flag(field),
        f"given_{field.name}",
        is_flag=True,
        callback=lambda _ctx, _param, given: opposite if given else None,
        help=option.help,
    )


def _single(field: RecordField, option: Option) -> Decorator:
    has_default = isinstance(field.default, str | int) and field.default != ""
    return click.option(
        option.flags or _flag(field),
        f"given_{field.name}",
        type=option.type or (click.Choice(field.type.choices) if field.type.choices else TYPES[field.type.base]),
        required=field.required,
        help=option.help,
        **({"default": field.default, "show_default": True} if has_default else {}),
    )


def _take(field: RecordField, values: dict[str, Any]) -> Any:
    """Remove a field's options from a command's values; return what they say, UNSET when nothing was given."""
    value = values.pop(f"given_{field.name}")
    empty = None if field.type.nullable else ()
    if values.pop(f"clear_{field.name}", False):
        return empty
    if value == "" and field.default is UNSET and field.type.nullable:
        return None
    return UNSET if value in (None, ()) and not field.required else value


def _build(record: type, given: dict[str, Any]) -> Any:
    """Make the record of what was given; what was not keeps its default."""
    nested = {field.name: _build(field.type.base, given) for field in fields_of(record) if _is_nested(field)}
    own = {field.name: given[field.name] for field in fields_of(record) if field.name in given}
    return record(**nested, **{name: value for name, value in own.items() if value is not UNSET})
