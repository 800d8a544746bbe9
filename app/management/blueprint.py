"""How this room's operations are written: bodies are read strictly, lists come in pages, what was made has a place."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from itertools import islice
from typing import Any, NoReturn, Protocol, TypeVar, cast

import marshmallow as ma
from flask import Request, Response
from flask_smorest import Blueprint
from webargs.core import missing
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.exceptions import UnsupportedMediaType
from werkzeug.routing import BaseConverter

from app.errors import MOST_ERRORS, FieldError, Invalid, LatchkeyError, Malformed
from app.http.current import actions
from app.management.errors import refused
from app.management.fields import Given, QueryWhole, Text

PREFIX = "/api/v1"
DEFAULT_LIMIT, HIGHEST_LIMIT = 50, 200
ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
LONGEST_FIELD_NAME = 100  # characters that are shown of it
Problems = Mapping[Any, Any] | Sequence[Any] | str


ViewT = TypeVar("ViewT", bound=Callable[..., Any])


class Decorator(Protocol):
    """What stands above a view."""

    def __call__(self, view: ViewT, /) -> ViewT:
        """Give a view that does more."""


class RowId(BaseConverter):
    """An id in a path; anything that cannot be one is not found."""

    regex = ROW_ID.pattern


class ScopeName(BaseConverter):
    """A permission's name in a path: it may hold slashes (RFC 6749 §3.3)."""

    regex = r"[\x21\x23-\x5B\x5D-\x7E]{1,200}"
    part_isolating = False


class StrictParser(FlaskParser):
    """Refuse what the library forgives: other content types, repeated parameters and keys, NaN, unknown parameters."""

    DEFAULT_UNKNOWN_BY_LOCATION = FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION | {"query": ma.RAISE}

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Read a JSON object; raises Malformed and UnsupportedMediaType."""
        body = req.get_data(cache=True)
        if not body and not req.mimetype:
            return missing
        if req.mimetype != "application/json":
            raise UnsupportedMediaType("send application/json")
        return read_json(body)

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        """Read the query; raises Invalid for a parameter that is repeated."""
        repeated = (FieldError(_shown(name), "is repeated") for name, all in req.args.lists() if len(all) > 1)
        if first := list(islice(repeated, MOST_ERRORS)):
            raise Invalid(*first)
        return MultiDictProxy(req.args, schema)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Raise Invalid, field by field."""
        (messages,) = error.messages.values() if isinstance(error.messages, dict) else (error.messages,)
        raise Invalid(*islice(_flat(messages), MOST_ERRORS)) from None


class Operations(Blueprint):  # type: ignore[misc]
    """A blueprint below PREFIX whose operations are in the table of authorization.py."""

    ARGUMENTS_PARSER = StrictParser()

    def __init__(self, name: str, description: str) -> None:
        super().__init__(name, __name__, url_prefix=PREFIX, description=description)
        self.register_error_handler(LatchkeyError, refused)

    def get(self, rule: str) -> Decorator:
        """Let the view answer GET."""
        return cast(Decorator, super().get(rule))

    def post(self, rule: str) -> Decorator:
        """Let the view answer POST."""
        return cast(Decorator, super().post(rule))

    def patch(self, rule: str) -> Decorator:
        """Let the view answer PATCH."""
        return cast(Decorator, super().patch(rule))

    def delete(self, rule: str) -> Decorator:
        """Let the view answer DELETE."""
        return cast(Decorator, super().delete(rule))

    def arguments(self, schema: type[ma.Schema], *, location: str = "json", required: bool = True) -> Decorator:
        """Read the body or the query by a schema, and hand the view what it makes."""
        made_once = schema()  # a class would be made anew at every request
        return cast(Decorator, super().arguments(made_once, location=location, required=required))

    def response(self, status_code: int, schema: type[ma.Schema] | None = None) -> Decorator:
        """Answer with this status, by a schema."""
        return cast(Decorator, super().response(status_code, schema))

    def add_url_rule(self, rule: str, endpoint: Any = None, view_func: Any = None, *args: Any, **options: Any) -> None:
        """Do not answer OPTIONS by itself: only what the table names is an operation."""
        if view_func is not None:
            view_func.provide_automatic_options = False
        super().add_url_rule(rule, endpoint, view_func, *args, **options)


class PageQuery(Given):
    """Which page of a list."""

    limit = QueryWhole(1, HIGHEST_LIMIT, load_default=DEFAULT_LIMIT)
    cursor = Text()

    @ma.post_load
    def _read_cursor(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        cursor = data.pop("cursor", None)
        return data | {"after": None if cursor is None else read_cursor(cursor)}


@cache
def page_of(schema: type[ma.Schema]) -> type[ma.Schema]:
    """Give the schema of a page of these."""
    name = schema.__name__.removesuffix("Schema")
    next_cursor = ma.fields.String(required=True, allow_none=True)
    items = ma.fields.List(ma.fields.Nested(schema), required=True)
    return ma.Schema.from_dict({"items": items, "next_cursor": next_cursor}, name=f"{name}PageSchema")


def paged(found: tuple[Iterable[Any], str | int | None]) -> dict[str, Any]:
    """Give the answer for a page."""
    items, after = found
    return {"items": list(items), "next_cursor": None if after is None else write_cursor(str(after))}


def write_cursor(after: str) -> str:
    """Make the opaque form of the place where the next page begins."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Read what `write_cursor` made; raises ValidationError for anything else."""
    try:
        after = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        after = ""
    if ROW_ID.fullmatch(after) is None or write_cursor(after) != cursor:
        raise ma.ValidationError("Is no cursor of this list.", "cursor")
    return after


def made(thing: Any, path: str) -> tuple[Any, dict[str, str]]:
    """Answer with what was made, and where it is."""
    return thing, {"Location": f"{actions().settings.management_identifier}{path}"}


def members_of(view: Any) -> dict[str, Any]:
    """Give what a view holds, each as it is; `asdict` would copy it deeply, at a twelfth of what a creation costs."""
    return {part.name: getattr(view, part.name) for part in dataclasses.fields(view)}


def gone() -> Response:
    """Answer 204, without a body and its type."""
    response = Response(status=204)
    del response.headers["Content-Type"]
    return response


def read_json(body: bytes) -> Any:
    """Read a body; raises Malformed when it is no JSON, or is JSON that two readers would read differently."""
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_without_repetition,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
    except (ValueError, RecursionError):
        raise Malformed("the body is not well-formed JSON") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is repeated")
    return members


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    return number


def _flat(messages: Problems, path: str = "") -> Iterable[FieldError]:
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _flat(inner, path if name == "_schema" else f"{path}.{_shown(name)}".removeprefix("."))
    elif isinstance(messages, str):
        yield FieldError(path, messages)
    else:
        for message in messages:
            yield from _flat(message, path)


def _shown(name: object) -> str:
    return str(name)[:LONGEST_FIELD_NAME].encode("utf-8", "backslashreplace").decode()
