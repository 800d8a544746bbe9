"""Read requests strictly: other content types, repeated parameters and members, and unknown parameters are refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NoReturn

import marshmallow as ma
from flask import Request
from webargs.core import missing
from webargs.flaskparser import FlaskParser
from webargs.multidictproxy import MultiDictProxy
from werkzeug.exceptions import UnsupportedMediaType

from app.errors import MOST_ERRORS, FieldError, Invalid, Malformed
from app.strict_json import read_json

LONGEST_FIELD_NAME = 100  # characters of it that an answer repeats
Problems = Mapping[Any, Any] | Sequence[Any] | str


class StrictParser(FlaskParser):
    """Refuse what the library accepts: other content types, repeated parameters and keys, NaN, unknown parameters."""

    DEFAULT_UNKNOWN_BY_LOCATION = FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION | {"query": ma.RAISE}

    def load_json(self, req: Request, schema: ma.Schema) -> Any:
        """Read a JSON object. Raises Malformed and UnsupportedMediaType."""
        body = req.get_data(cache=True)
        if not body and not req.mimetype:
            return missing
        if req.mimetype != "application/json":
            raise UnsupportedMediaType("send application/json")
        return read_body(body)

    def load_querystring(self, req: Request, schema: ma.Schema) -> Any:
        """Read the query. Raises Invalid for a repeated parameter."""
        repeated = (FieldError(_printable(name), "is repeated") for name, all in req.args.lists() if len(all) > 1)
        if first := list(islice(repeated, MOST_ERRORS)):
            raise Invalid(*first)
        return MultiDictProxy(req.args, schema)

    def handle_error(self, error: ma.ValidationError, *_: Any, **__: Any) -> NoReturn:
        """Raise Invalid, field by field."""
        (messages,) = error.messages.values() if isinstance(error.messages, dict) else (error.messages,)
        raise Invalid(*islice(_list_errors(messages), MOST_ERRORS)) from None


def read_body(body: bytes) -> Any:
    """Read a JSON body. Raises Malformed when it is not JSON, or when two readers would read it differently."""
    try:
        return read_json(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Malformed("the body is not well-formed JSON") from None


def _list_errors(messages: Problems, path: str = "") -> Iterable[FieldError]:
    """List marshmallow's nested messages, each with the path of its field."""
    if isinstance(messages, Mapping):
        for name, inner in messages.items():
            yield from _list_errors(
                inner, path if name == "_schema" else f"{path}.{_printable(name)}".removeprefix(".")
            )
    elif isinstance(messages, str):
        yield FieldError(path, messages)
    else:
        for message in messages:
            yield from _list_errors(message, path)


def _printable(name: object) -> str:
    return str(name)[:LONGEST_FIELD_NAME].encode("utf-8", "backslashreplace").decode()
