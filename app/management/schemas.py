"""The schemas of requests and answers, made from the records of app/actions/directory.

Marshmallow stays the reader: its messages are part of the API. The records are where its fields come from.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

from marshmallow import Schema, fields

from app.actions.directory.changes import UNSET
from app.actions.directory.fields import Mark, RecordField, ValueType, fields_of, read_type
from app.management.fields import Array, Flag, JsonObject, Moment, Name, RequestSchema, Text, Whole, one_of

Make = Callable[..., fields.Field[Any]]


def request_schema(
    record: type,
    name: str = "",
    /,
    *,
    base: type[RequestSchema] = RequestSchema,
    without: Collection[str] = (),
    **more: fields.Field[Any],
) -> type[RequestSchema]:
    """Return the schema that reads a request into a record.

    `base` has the fields that only the request has, `without` names the fields that only the record has; `more` are
    further fields.
    """
    own = {field.name: _request_field(field) for field in fields_of(record) if field.name not in without}
    return cast(type[RequestSchema], _make_schema(name or record.__name__, base, {**own, **more, "makes": record}))


def answer_schema(
    view: type, name: str = "", /, *, without: Collection[str] = (), **more: fields.Field[Any]
) -> type[Schema]:
    """Return the schema that writes a view; `without` names the view's fields that are left out."""
    own = {field.name: _answer_field(field.type) for field in fields_of(view) if field.name not in without}
    return _make_schema(name or view.__name__.removesuffix("View"), Schema, {**own, **more})


def value_field(annotation: Any, **options: Any) -> fields.Field[Any]:
    """Return the request's field for a value that is in no record, such as a filter of a list."""
    return _request_value(read_type(annotation), **options)


def _request_field(field: RecordField) -> fields.Field[Any]:
    """Return the request's field for a record's."""
    metadata = {"description": field.type.description} if field.type.description else {}
    if field.default not in (UNSET, None, "", (), {}) and not field.required:
        metadata["default"] = field.default
    return _request_value(field.type, required=field.required, metadata=metadata)


def _request_value(value: ValueType, **options: Any) -> fields.Field[Any]:
    if Mark.SECRET in value.marks:
        options["load_only"] = True
    options["allow_none"] = value.nullable and Mark.NOT_NULL not in value.marks
    if value.choices:
        return one_of(*value.choices, **options)
    if value.base in REQUEST:
        return REQUEST[value.base](value, **options)
    return fields.Nested(nested_request(value.base), **options)


def _text(value: ValueType, **options: Any) -> fields.Field[Any]:
    if value.max_length is None:
        raise TypeError("a text in a request needs a max_length")
    make = Name if Mark.NOT_BLANK in value.marks else Text
    return make(value.max_length, shortest=value.min_length or 0, lines=Mark.LINES in value.marks, **options)


def _whole_number(value: ValueType, **options: Any) -> fields.Field[Any]:
    if value.ge is None or value.le is None:
        raise TypeError("a number in a request needs ge and le")
    return Whole(value.ge, value.le, **options)


def _list(value: ValueType, **options: Any) -> fields.Field[Any]:
    if value.item is None or value.max_length is None:
        raise TypeError("a list in a request needs a max_length")
    return Array(_request_value(value.item), shortest=value.min_length or 0, longest=value.max_length, **options)


REQUEST: Mapping[type, Make] = {
    str: _text,
    int: _whole_number,
    tuple: _list,
    bool: lambda _value, **options: Flag(**options),
    datetime: lambda _value, **options: Moment(**options),
    Mapping: lambda _value, **options: JsonObject(**options),
}
ANSWER: Mapping[type, Make] = {
    str: fields.String,
    int: fields.Integer,
    bool: fields.Boolean,
    datetime: Moment,
    Mapping: fields.Dict,
}


def _answer_field(value: ValueType) -> fields.Field[Any]:
    metadata: dict[str, Any] = {"enum": value.choices} if value.choices else {}
    metadata |= {"description": value.description} if value.description else {}
    options: dict[str, Any] = {"required": True, "allow_none": value.nullable or None, "metadata": metadata}
    if value.item is not None:
        return fields.List(_element(value.item), **options)
    return _element(value, **options)


def _element(value: ValueType, **options: Any) -> fields.Field[Any]:
    make = ANSWER.get(value.base)
    return make(**options) if make else fields.Nested(nested_answer(value.base), **options)


@cache
def nested_request(record: type) -> type[RequestSchema]:
    """Return the one schema of a record inside others; one that answers hold too is named apart."""
    return request_schema(record, record.__name__ if record.__name__.startswith("New") else f"Given{record.__name__}")


@cache
def nested_answer(view: type) -> type[Schema]:
    """Return the one schema of a view inside others."""
    return answer_schema(view)


def _make_schema(name: str, base: type[Schema], members: Mapping[str, Any]) -> type[Schema]:
    return cast(type[Schema], type(f"{name}Schema", (base,), dict(members)))
