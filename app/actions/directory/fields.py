"""The vocabulary of the records: what each field of a noun may hold, declared once for API, CLI and pages.

A record is a frozen dataclass: `New…` (what is created), `…Changes` (a change; a field left UNSET is not changed) or
`…View` (what is shown). The types of its fields carry their constraints as `typing.Annotated` metadata:

- pydantic's `Field`: `min_length` and `max_length` (characters of a text, elements of a tuple), `ge` and `le` (a
  number), `description`. Nothing else of `Field` is read;
- `Mark`: what `Field` cannot say, such as "not blank";
- `Literal[...]`: one of these words. `X | None`: null is a value. `X | Unset`: may be left out of a change;
- the default: a field without one is required.

`fields_of(record)` lists the fields in order, each with its `ValueType`; `read_type(annotation)` reads a single type,
such as that of a filter. A CLI option or a form field needs no more than that::

    for field in fields_of(NewKey):
        field.name, field.required, field.default       # "name", True, MISSING
        field.type.base                                 # str, int, bool, datetime, Mapping, tuple or another record
        field.type.min_length, field.type.max_length    # 1, 200
        field.type.choices                              # of a Literal, else ()
        field.type.item                                 # the ValueType of a tuple's elements, else None
        Mark.LINES in field.type.marks                  # a text of several lines: a textarea

The actions check again what the database depends on; a record itself is not validated when it is made.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import Field
from pydantic.fields import FieldInfo

from app.actions.directory.changes import Unset
from app.models.names import LONGEST_NAME
from app.models.resource import LONGEST_IDENTIFIER as LONGEST_IDENTIFIER

LONGEST_DESCRIPTION = 1000  # characters
LONGEST_LIST = 500  # elements


class Mark(Enum):
    """A property of a field besides its type and its limits."""

    NOT_BLANK = "a text of spaces alone is refused"
    LINES = "a text that may have several lines; any other is one line"
    SECRET = "never shown, logged or printed"  # noqa: S105 - a mark, not a secret
    NOT_NULL = "None is what it is when left out; it cannot be given"


Word = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Name = Annotated[Word, Mark.NOT_BLANK]
Description = Annotated[str, Field(max_length=LONGEST_DESCRIPTION), Mark.LINES]
Identifier = Annotated[str, Field(min_length=1, max_length=LONGEST_IDENTIFIER)]
Words = Annotated[tuple[Word, ...], Field(max_length=LONGEST_LIST)]
Names = Annotated[tuple[Name, ...], Field(max_length=LONGEST_LIST)]
Status = Literal["active", "expired", "revoked"]


@dataclass(frozen=True, slots=True)
class ValueType:
    """What a value may be: its base type and the constraints on it."""

    base: type
    item: ValueType | None = None
    nullable: bool = False
    choices: tuple[str, ...] = ()
    min_length: int | None = None
    max_length: int | None = None
    ge: int | None = None
    le: int | None = None
    description: str = ""
    marks: frozenset[Mark] = frozenset()


@dataclass(frozen=True, slots=True)
class RecordField:
    """A field of a record; `default` is MISSING for a required one, UNSET for one that a change may leave out."""

    name: str
    type: ValueType
    default: Any = MISSING

    @property
    def required(self) -> bool:
        """Whether the field has no default."""
        return self.default is MISSING


@cache
def fields_of(record: type) -> tuple[RecordField, ...]:
    """List the fields of a record in order, with their constraints. Raises TypeError for an unsupported type."""
    hints = get_type_hints(record, include_extras=True)
    return tuple(RecordField(f.name, read_type(hints[f.name]), _default(f)) for f in dataclasses.fields(record))


def read_type(annotation: Any) -> ValueType:
    """Return what an annotation says of a value. Raises TypeError for an unsupported type."""
    if get_origin(annotation) is Annotated:
        return _constrain(read_type(annotation.__origin__), annotation.__metadata__)
    if get_origin(annotation) in (Union, UnionType):
        return _read_union(get_args(annotation))
    if get_origin(annotation) is Literal:
        return ValueType(str, choices=get_args(annotation))
    if get_origin(annotation) is tuple:
        return ValueType(tuple, item=read_type(get_args(annotation)[0]))
    if get_origin(annotation) in (dict, Mapping):
        return ValueType(Mapping)
    if annotation in (str, int, bool, datetime) or dataclasses.is_dataclass(annotation):
        return ValueType(annotation)
    raise TypeError(f"{annotation!r} is not a supported type of a record's field")


def _default(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _read_union(options: tuple[Any, ...]) -> ValueType:
    """Read `X | None | Unset`: there is exactly one X."""
    [value] = [option for option in options if option not in (NoneType, Unset)]
    return dataclasses.replace(read_type(value), nullable=NoneType in options)


def _constrain(value: ValueType, metadata: tuple[Any, ...]) -> ValueType:
    marks = value.marks | {mark for mark in metadata if isinstance(mark, Mark)}
    return dataclasses.replace(value, marks=marks, **dict(_limits(metadata)))


def _limits(metadata: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    for info in metadata:
        if isinstance(info, FieldInfo):
            for constraint in info.metadata:  # annotated-types: MinLen(min_length=1), Le(le=9), ...
                yield from dataclasses.asdict(constraint).items()
            if info.description is not None:
                yield "description", info.description
