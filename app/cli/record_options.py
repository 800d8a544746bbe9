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
from app.cli.options import Completer, Instant, Rate, many
from app.credentials.kind import RateLimit

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]
TYPES: dict[type, click.ParamType[Any]] = {str: click.STRING, int: click.INT, datetime: Instant(), RateLimit: Rate()}


@dataclass(frozen=True, slots=True)
class Option:
    """What the command line adds to a field: help, another name or type, a flag that clears it, names to complete."""

    help: str | None = None
    flags: str | None = None
    type: click.ParamType[Any] | None = None
    clear: str | None = None
    clear_help: str | None = None
    complete: Completer | None = None


def options_of(record: type, /, **described: Option | str | None) -> Decorator:
    """Add an option for each field of a record; the command receives the record as its first argument.

    `described` holds a field's help or its `Option`; None leaves the field out, at its default. In a record of
    changes, an empty text clears a field that may be null.
    """
    fields = list(_flatten(record))
    if unknown := described.keys() - {field.name for field in fields}:
        raise TypeError(f"{record.__name__} has no {', '.join(sorted(unknown))}")
    extras = [(field, described.get(field.name, "")) for field in fields]
    chosen = [(field, Option(e) if isinstance(e, str) else e) for field, e in extras if e is not None]
    options = [option for field, extra in chosen for option in _options(field, extra)]

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(command)
        def with_record(**values: Any) -> Any:
            return command(_build(record, {field.name: _take(field, values) for field, _ in chosen}), **values)

        for option in reversed(options):  # click lists the options of the last decorator first
            option(with_record)
        return with_record

    return decorate


def _is_nested(field: RecordField) -> bool:
    return is_dataclass(field.type.base) and field.type.base not in TYPES


def _flatten(record: type) -> Iterator[RecordField]:
    """List the fields of a record; a nested record is replaced by its fields."""
    for field in fields_of(record):
        yield from _flatten(field.type.base) if _is_nested(field) else [field]


def _options(field: RecordField, extra: Option) -> Iterator[Decorator]:
    name, flags, help = f"given_{field.name}", extra.flags or f"--{field.name.replace('_', '-')}", extra.help or None
    if field.type.base is tuple:
        plain = extra.flags or flags.removesuffix("s")  # --scope for `scopes`
        type = extra.type or click.STRING
        yield many(plain, name, extra.help or "", required=field.required, complete=extra.complete, type=type)
    elif field.type.base is bool and field.default is UNSET:
        yield click.option(flags, name, default=None, help=help)  # a pair, such as --enable/--disable
    elif field.type.base is bool:  # the flag sets the opposite of the default
        yield click.option(
            flags, name, is_flag=True, help=help, callback=lambda _c, _p, v: not field.default if v else None
        )
    else:
        type = extra.type or (click.Choice(field.type.choices) if field.type.choices else TYPES[field.type.base])
        shown = isinstance(field.default, str | int) and field.default != ""
        default = {"default": field.default, "show_default": True} if shown else {}
        yield click.option(
            flags, name, type=type, required=field.required, help=help, shell_complete=extra.complete, **default
        )
    if extra.clear:
        yield click.option(extra.clear, f"clear_{field.name}", is_flag=True, help=extra.clear_help)


def _take(field: RecordField, values: dict[str, Any]) -> Any:
    """Remove a field's options from a command's values; return the field's value, UNSET when none was given."""
    value = values.pop(f"given_{field.name}")
    if values.pop(f"clear_{field.name}", False):
        return None if field.type.nullable else ()
    if value == "" and field.default is UNSET and field.type.nullable:
        return None
    return UNSET if value in (None, ()) and not field.required else value


def _build(record: type, given: dict[str, Any]) -> Any:
    """Make the record from the given values; other fields have their defaults."""
    values = {
        f.name: _build(f.type.base, given) if _is_nested(f) else given.get(f.name, UNSET) for f in fields_of(record)
    }
    return record(**{name: value for name, value in values.items() if value is not UNSET})
