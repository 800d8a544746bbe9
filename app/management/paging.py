"""Pages of a list: the query that names one, the schema that holds one, and the cursor to the next."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from functools import cache
from typing import Any, cast

import marshmallow as ma

from app.management.fields import QueryWhole, RequestSchema, Text
from app.management.schemas import value_field

DEFAULT_LIMIT, HIGHEST_LIMIT = 50, 200
INVALID_CURSOR = "Is not a valid cursor: use the next_cursor of this list."
ROW_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class PageQuery(RequestSchema):
    """Which page of a list."""

    limit = QueryWhole(1, HIGHEST_LIMIT, load_default=DEFAULT_LIMIT)
    cursor = Text()

    @ma.post_load
    def _read_cursor(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        cursor = data.pop("cursor", None)
        return data | {"after": None if cursor is None else read_cursor(cursor)}


def page_query(**filters: Any) -> type[PageQuery]:
    """Return the query of a list with these filters, each an annotation, like the field of a record."""
    fields = {name: value_field(annotation) for name, annotation in filters.items()}
    return cast(type[PageQuery], type("FilterQuery", (PageQuery,), fields))


@cache
def page_schema(schema: type[ma.Schema]) -> type[ma.Schema]:
    """Return the schema of a page of these."""
    name = schema.__name__.removesuffix("Schema")
    next_cursor = ma.fields.String(required=True, allow_none=True)
    items = ma.fields.List(ma.fields.Nested(schema), required=True)
    return ma.Schema.from_dict({"items": items, "next_cursor": next_cursor}, name=f"{name}PageSchema")


def answer_page(found: tuple[Iterable[Any], str | int | None]) -> dict[str, Any]:
    """Return the answer for the items of a page and the id after which the next one begins."""
    items, after = found
    return {"items": list(items), "next_cursor": None if after is None else write_cursor(str(after))}


def write_cursor(after: str) -> str:
    """Return the opaque form of the id after which the next page begins."""
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Read what `write_cursor` wrote. Raises ValidationError for anything else."""
    try:
        after = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        after = ""
    if ROW_ID.fullmatch(after) is None or write_cursor(after) != cursor:
        raise ma.ValidationError(INVALID_CURSOR, "cursor")
    return after
