"""The types of a request's fields: JSON values are not converted, and unknown fields are refused."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate

from app.models.names import LONGEST_NAME

RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*([Zz]|[+-]\d\d:\d\d)", re.ASCII)
INVALID_TIME = "Must be a time like 2030-01-31T12:00:00Z."
SMALL_NUMBER = re.compile(r"[0-9]{1,9}")
CONTROL = {"Cc", "Cs"}  # control characters, and half of a surrogate pair
MOST_MEMBERS = 100  # of an object, or parameters of a query


class Text(fields.String):
    """A string of `shortest` to `longest` characters, without control characters; with `lines`, of several lines."""

    def __init__(self, longest: int = LONGEST_NAME, *, shortest: int = 1, lines: bool = False, **options: Any) -> None:
        self._length = validate.Length(min=shortest, max=longest)
        super().__init__(validate=[self._length, *options.pop("also", [])], **options)
        self._allowed = "\n\t" if lines else ""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        self._length(text)  # before each of its characters is checked
        if any(unicodedata.category(c) in CONTROL and c not in self._allowed for c in text):
            raise ValidationError("Holds characters that are not allowed.")
        return text


class Naming(Text):
    """A string in a query that names the object that is asked for: there may be none (404)."""


class Name(Text):
    """A string that is not blank: what a person calls a thing."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text.isspace():
            raise ValidationError("Must not be blank.")
        return text


class Flag(fields.Boolean):
    """true or false, but not 1 or "yes"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Whole(fields.Integer):
    """A whole number from `least` to `most`, but not "5", true or 5.0."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryWhole(Whole):
    """A whole number in a query: up to nine digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or SMALL_NUMBER.fullmatch(value) is None:
            raise self.make_error("invalid", input=value)
        return int(value)


class QueryFlag(Flag):
    """true or false in a query."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid", input=value)
        return bool(value == "true")


class Moment(fields.DateTime):
    """An instant: read as RFC 3339 with an offset, written in UTC with a Z."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        found = RFC_3339.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError(INVALID_TIME)
        day, time, fraction, offset = found.groups()
        try:
            return datetime.fromisoformat(f"{day}T{time}{fraction or ''}{offset.upper()}").astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError(INVALID_TIME) from None

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Array(fields.List[Any]):
    """A JSON array, read as a tuple; its length is checked before its elements."""

    def __init__(self, inner: Any, *, shortest: int = 0, longest: int, **options: Any) -> None:
        self._length = validate.Length(min=shortest, max=longest)
        super().__init__(inner, validate=self._length, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        self._length(value)
        return tuple(super()._deserialize(value, attr, data, **kwargs))


class JsonObject(fields.Dict):
    """A JSON object whose members are checked by an action."""


def one_of(*values: str, **options: Any) -> Text:
    """Return the field of one of these words."""
    return Text(also=[validate.OneOf(values)], **options)


class RequestSchema(Schema):
    """A part of a request; an unknown field is refused. `makes` is the record that it is read into."""

    makes: ClassVar[type | None] = None

    class Meta:
        """Refuse unknown fields."""

        unknown = RAISE

    @pre_load
    def _refuse_too_many_members(self, data: Any, **_: Any) -> Any:
        """Refuse an object with more members than any request has, before each unknown one gets an error."""
        if isinstance(data, Mapping) and len(data) > MOST_MEMBERS:
            raise ValidationError(f"Must have at most {MOST_MEMBERS} members.")
        return data

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return data if self.makes is None else self.makes(**data)
