"""What a request's fields may be: JSON is taken at its word, nothing is converted, and no field is a surprise."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, pre_load, validate

RFC_3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(\.\d{1,6})?\d*([Zz]|[+-]\d\d:\d\d)", re.ASCII)
NO_TIME = "Must be a time like 2030-01-31T12:00:00Z."
SMALL_NUMBER = re.compile(r"[0-9]{1,9}")
CONTROL = {"Cc", "Cs"}  # control characters, and half of a surrogate pair
LONGEST_NAME = 200
LONGEST_DESCRIPTION = 1000
LONGEST_LIST = 500
MOST_MEMBERS = 100  # of an object, or parameters of a query


class Text(fields.String):
    """A string of at most `longest` characters, without control characters; with `lines`, of several lines."""

    def __init__(self, longest: int = LONGEST_NAME, *, shortest: int = 1, lines: bool = False, **options: Any) -> None:
        self._length = validate.Length(min=shortest, max=longest)
        super().__init__(validate=[self._length, *options.pop("also", [])], **options)
        self._allowed = "\n\t" if lines else ""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = str(super()._deserialize(value, attr, data, **kwargs))
        self._length(text)  # before each of its characters is looked at
        if any(unicodedata.category(c) in CONTROL and c not in self._allowed for c in text):
            raise ValidationError("Holds characters that are not allowed.")
        return text


class Name(Text):
    """What a person calls a thing: not blank."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if text.isspace():
            raise ValidationError("Must not be blank.")
        return text


def description(**options: Any) -> Text:
    """Make the field of a longer text, which may be empty."""
    return Text(LONGEST_DESCRIPTION, shortest=0, lines=True, **options)


class Flag(fields.Boolean):
    """true or false; neither 1 nor "yes"."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Whole(fields.Integer):
    """A whole number between two; neither "5" nor true nor 5.0."""

    def __init__(self, least: int, most: int, **options: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class QueryWhole(Whole):
    """A whole number as a query spells it: up to nine digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or SMALL_NUMBER.fullmatch(value) is None:
            raise self.make_error("invalid", input=value)
        return int(value)


class QueryFlag(Flag):
    """true or false as a query spells it."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if value not in ("true", "false"):
            raise self.make_error("invalid", input=value)
        return bool(value == "true")


class Moment(fields.DateTime):
    """An instant: RFC 3339 with its offset in, UTC with a Z out."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> datetime:
        found = RFC_3339.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            raise ValidationError(NO_TIME)
        day, time, fraction, offset = found.groups()
        try:
            return datetime.fromisoformat(f"{day}T{time}{fraction or ''}{offset.upper()}").astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError(NO_TIME) from None

    def _serialize(self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Listed(fields.List[Any]):
    """A JSON array, as a tuple; an object is none. Its length is checked before any of its elements."""

    def __init__(self, inner: Any, *, shortest: int = 0, longest: int = LONGEST_LIST, **options: Any) -> None:
        self._length = validate.Length(min=shortest, max=longest)
        super().__init__(inner, validate=self._length, **options)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        self._length(value)
        return tuple(super()._deserialize(value, attr, data, **kwargs))


class Members(fields.Dict):
    """A JSON object whose members an action judges."""


def one_of(*values: str, **options: Any) -> Text:
    """Make the field of one of a few words."""
    return Text(also=[validate.OneOf(values)], **options)


class Given(Schema):
    """A part of a request: an unknown field is refused. `makes` is the value that it is turned into."""

    makes: ClassVar[type | None] = None

    class Meta:
        """Refuse unknown fields."""

        unknown = RAISE

    @pre_load
    def _bound(self, data: Any, **_: Any) -> Any:
        """Refuse what holds more members than any request has, before each unknown one gets an error."""
        if isinstance(data, Mapping) and len(data) > MOST_MEMBERS:
            raise ValidationError(f"Must have at most {MOST_MEMBERS} members.")
        return data

    @post_load
    def _make(self, data: dict[str, Any], **_: Any) -> Any:
        return data if self.makes is None else self.makes(**data)
