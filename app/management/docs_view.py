"""The API's description as its page shows it: sections of operations, with their fields, examples and commands."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

JSON = "application/json"
CREDENTIALS = {  # what a command sends, by the first scheme of an operation that has one
    "oauth2": '-H "Authorization: Bearer $TOKEN"',
    "bearer": '-H "Authorization: Bearer $TOKEN"',
    "password": '-u "$USERNAME:$PASSWORD"',
    "client": '-u "$CLIENT_ID:$CLIENT_SECRET"',
}
NAMES = {
    "oauth2": "a token of a client",
    "bearer": "a bearer token",
    "password": "the user's username and password",
    "browser": "a browser's sign-in",
    "client": "a client's id and secret",
    "key": "an API key",
    "token_as_password": "a credential as the password of Basic",
}
Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class FieldView:
    """A field or a parameter."""

    name: str
    type: str
    required: bool
    description: str
    place: str = ""  # of a parameter: path or query
    example: str = ""


@dataclass(frozen=True, slots=True)
class BodyView:
    """A body, with its fields and an example."""

    title: str
    media_type: str
    fields: tuple[FieldView, ...]
    example: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """An answer by its status."""

    status: str
    description: str
    bodies: tuple[BodyView, ...]


@dataclass(frozen=True, slots=True)
class OperationView:
    """An operation."""

    id: str
    method: str
    path: str
    summary: str
    description: str
    access: str
    scheme: str
    parameters: tuple[FieldView, ...]
    bodies: tuple[BodyView, ...]
    success: AnswerView
    refusals: tuple[AnswerView, ...]
    command: str


@dataclass(frozen=True, slots=True)
class Section:
    """The operations of a tag."""

    id: str
    description: str
    operations: tuple[OperationView, ...]


def list_sections(document: Document, issuer: str) -> list[Section]:
    """Return the sections in the order of the tags; the OAuth endpoints, which give tokens, come first."""
    tags = sorted(document["tags"], key=lambda tag: tag["name"] != "oauth")
    operations = list(_read_operations(document, issuer))
    return [
        Section(tag["name"], tag["description"], tuple(one for name, one in operations if name == tag["name"]))
        for tag in tags
    ]


def _read_operations(document: Document, issuer: str) -> Iterator[tuple[str, OperationView]]:
    for path, operations in document["paths"].items():
        shared = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                yield operation["tags"][0], _read_operation(document, issuer, method, path, shared, operation)


def _read_operation(
    document: Document, issuer: str, method: str, path: str, shared: list[Any], operation: Mapping[str, Any]
) -> OperationView:
    parameters = tuple(_read_parameter(document, one) for one in [*shared, *operation.get("parameters", [])])
    bodies = tuple(_list_bodies(document, operation.get("requestBody", {})))
    success, *refusals = sorted(
        (AnswerView(status, one["description"], tuple(_list_bodies(document, one)))
         for status, one in operation["responses"].items()),
        key=lambda answer: answer.status,
    )  # fmt: skip
    schemes = [name for one in operation["security"] for name in one]
    return OperationView(
        id=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation.get("description", ""),
        access=", or ".join(dict.fromkeys(NAMES[name] for name in schemes)) or "no authentication",
        scheme=next(iter(schemes), ""),
        parameters=parameters,
        bodies=bodies,
        success=success,
        refusals=tuple(refusals),
        command=_write_command(issuer, method, path, parameters, bodies, schemes),
    )


def _read_parameter(document: Document, parameter: Mapping[str, Any]) -> FieldView:
    example = parameter.get("example", "")
    return FieldView(
        parameter["name"],
        _type_of(document, parameter["schema"]),
        parameter.get("required", False),
        parameter.get("description", ""),
        parameter["in"],
        example if isinstance(example, str) else json.dumps(example),
    )


def _list_bodies(document: Document, body: Mapping[str, Any]) -> Iterator[BodyView]:
    for media_type, media in body.get("content", {}).items():
        schemas = media["schema"].get("oneOf", [media["schema"]])
        examples = list(media.get("examples", {}).values()) or [{"summary": "", "value": media.get("example")}]
        for schema, example in zip(schemas, examples, strict=True):
            text = "" if example["value"] is None else json.dumps(example["value"], indent=2, ensure_ascii=False)
            yield BodyView(example["summary"], media_type, tuple(_list_fields(document, schema)), text)


def _list_fields(document: Document, schema: Mapping[str, Any]) -> Iterator[FieldView]:
    """List an object's fields; of a page, the fields of its items."""
    whole = _resolve(document, schema)
    fields = whole.get("properties", {})
    if set(fields) == {"items", "next_cursor"}:
        return _list_fields(document, fields["items"]["items"])
    required = whole.get("required", [])
    return (
        FieldView(name, _type_of(document, one), name in required, _resolve(document, one).get("description", ""))
        for name, one in fields.items()
    )


def _resolve(document: Document, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    found: Mapping[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema
    return found


def _type_of(document: Document, schema: Mapping[str, Any]) -> str:
    """Return a type as people read it: `string or null`, `array of string`, one of the words of an enum."""
    if "anyOf" in schema:
        return " or ".join(_type_of(document, one) for one in schema["anyOf"])
    if "$ref" in schema:
        return _type_of(document, _resolve(document, schema))
    if words := [one for one in schema.get("enum", []) if one is not None]:
        return " | ".join(map(str, words))
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else kinds
    if "array" in names and "items" in schema:
        return " or ".join(n if n != "array" else f"array of {_type_of(document, schema['items'])}" for n in names)
    return " or ".join(names) + (f" ({schema['format']})" if "format" in schema else "")


def _write_command(
    issuer: str,
    method: str,
    path: str,
    parameters: tuple[FieldView, ...],
    bodies: tuple[BodyView, ...],
    schemes: list[str],
) -> str:
    """Return the curl command of an operation's first example."""
    for one in parameters:
        path = path.replace(f"{{{one.name}}}", quote(one.example, safe=":"))
    needed = {one.name: one.example for one in parameters if one.place == "query" and one.required}
    url = f"{issuer}{path}" + (f"?{urlencode(needed, safe=':/')}" if needed else "")
    parts = ["curl" + ("" if method == "get" else f" -X {method.upper()}") + f" {shlex.quote(url)}"]
    parts += [CREDENTIALS[name] for name in schemes if name in CREDENTIALS][:1]
    if bodies and bodies[0].media_type == JSON:
        parts += ['-H "Content-Type: application/json"', f"-d {shlex.quote(_compact(bodies[0].example))}"]
    elif bodies:
        parts += [f"--data-urlencode {shlex.quote(pair)}" for pair in _pairs(json.loads(bodies[0].example))]
    return " \\\n  ".join(parts)


def _compact(example: str) -> str:
    return json.dumps(json.loads(example), ensure_ascii=False)


def _pairs(form: Mapping[str, Any]) -> Iterator[str]:
    for name, value in form.items():
        yield from (f"{name}={one}" for one in (value if isinstance(value, list) else [value]))
