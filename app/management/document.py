"""The API's description (OpenAPI 3.1), with the security of each operation from the table of authorization.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import marshmallow as ma
from apispec import APISpec
from flask import Blueprint, Flask, Response, json

from app.actions.audit.actor import MANAGE
from app.compat.flask_smorest import Api
from app.http.browser import TOKEN_HEADERS, cookie_name
from app.maintenance.bootstrap import PERMISSIONS
from app.management.authorization import TABLE, Access
from app.management.blueprint import PREFIX, Operations, StrictBlueprint
from app.management.errors import PROBLEM
from app.management.examples import example_of, example_parameter, example_problem
from app.operations.paths import TOKEN

Describe = Callable[[Flask, APISpec, str], None]  # adds further endpoints of an application and its issuer
INTRODUCTION = """\
Latchkey issues three kinds of credential: personal access tokens, API keys and machine-to-machine tokens. This page \
describes the management API, below `/api/v1`, and the OAuth endpoints.

To call the management API, send `Authorization: Bearer` with a machine-to-machine token or a personal access token \
whose scopes allow the operation; the scope `manage` allows all of them. A client gets a token from `/oauth/token` by \
its `client_id` and `client_secret`. The paths below `/api/v1/me` take the user's own username and password.

Bodies are JSON in UTF-8, and unknown fields are refused. Times are RFC 3339 in UTC. A refusal is a problem (RFC 9457) \
whose `errors` name the fields; the OAuth endpoints answer with `error` and `error_description` (RFC 6749).

A list answers with `items` and `next_cursor`: send the latter as `cursor` for the next page, until it is null. A \
secret is answered once, when it is made; later answers show its `hint`.
"""

SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ANYONE: [],
    Access.VISITOR: [{}, {"bearer": []}],
    Access.OWNER: [{"password": []}, {"browser": []}],
    Access.OWNER_READS: [{"password": []}, {"browser": []}, {"bearer": []}],
}
SCHEMES: dict[str, dict[str, Any]] = {
    "oauth2": {"type": "oauth2", "description": "a token of a client, by its client_id and client_secret"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "a machine-to-machine or personal access token"},
    "password": {"type": "http", "scheme": "basic", "description": "a user's own username and password"},
    "client": {"type": "http", "scheme": "basic", "description": "a client's client_id and client_secret"},
    "key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "an API key"},
    "token_as_password": {"type": "http", "scheme": "basic", "description": "any credential as the password"},
    "browser": {
        "type": "apiKey",
        "in": "cookie",
        "name": "",  # the issuer's own
        "description": f"a user's sign-in at /login; changes also need the page's token in `{TOKEN_HEADERS[0]}`",
    },
}
ALWAYS = {400: "The request cannot be read", 413: "The body is too large"}
AUTHENTICATED = {401: "No credential, or an invalid one", 403: "The credential does not allow this"}
WITH_BODY = {415: "The body is not application/json"}
WITH_INPUT = {422: "Some fields cannot be accepted"}
CHANGING = {409: "A name is taken, or the object's state does not allow this"}
NOT_FOUND = {404: "The object does not exist"}
LIMITED = {429: "Too many failed attempts, or too many reports"}


class FieldErrorSchema(ma.Schema):
    """A field and what is wrong with it."""

    field = ma.fields.String(required=True)
    message = ma.fields.String(required=True)


class ProblemSchema(ma.Schema):
    """Why a request was refused (RFC 9457); `errors` with a 422."""

    type = ma.fields.String(required=True)
    title = ma.fields.String(required=True)
    status = ma.fields.Integer(required=True)
    detail = ma.fields.String(required=True)
    errors = ma.fields.List(ma.fields.Nested(FieldErrorSchema))


class Document(Api):
    """Collect the operations; errors are answered by errors.py, where the library would rewrite them app-wide."""

    DEFAULT_ERROR_RESPONSE_NAME = None
    ERROR_SCHEMA = ProblemSchema

    def describe(self, app: Flask, blueprint: StrictBlueprint) -> None:
        """Describe a blueprint whose routes the application has; `register_blueprint` would add them too."""
        blueprint.register_views_in_doc(self, app, self.spec, name=blueprint.name, parameters=None)
        self.spec.tag({"name": blueprint.name, "description": blueprint.description})


class Description:
    """The document about operations that the application serves, made when it is first needed."""

    def __init__(self, app: Flask, subjects: Sequence[Operations], further: Describe, issuer: str) -> None:
        app.config.update(API_TITLE="Latchkey API", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
        self._app = app
        self._subjects = subjects
        self._further = further
        self._issuer = issuer
        self._lock = threading.Lock()
        self._document: dict[str, Any] = {}
        self._text = ""

    def document(self) -> dict[str, Any]:
        """Return the document."""
        with self._lock:
            self._document = self._document or complete(self._describe(), self._issuer)
        return self._document

    def serve(self) -> Response:
        """Answer with the document."""
        self._text = self._text or json.dumps(self.document())
        return Response(self._text, content_type="application/json")

    def _describe(self) -> dict[str, Any]:
        """Return the library's description of the operations."""
        document = Document(self._app)
        for operations in self._subjects:
            document.describe(self._app, operations.describe())
        self._further(self._app, document.spec, self._issuer)
        described: dict[str, Any] = document.spec.to_dict()
        return described


def register(app: Flask, description: Description) -> None:
    """Add GET /openapi.json."""
    routes = Blueprint("description", __name__, url_prefix=PREFIX)
    routes.add_url_rule("/openapi.json", "openapi", description.serve, provide_automatic_options=False)
    app.register_blueprint(routes)


def complete(document: dict[str, Any], issuer: str) -> dict[str, Any]:
    """Add the security of each operation, from the table, the refusals of the error handler, and the examples."""
    document["info"]["description"] = INTRODUCTION
    document["servers"] = [{"url": urlsplit(issuer).path or "/"}]
    document["components"]["securitySchemes"] = SCHEMES | {
        "oauth2": SCHEMES["oauth2"]
        | {"flows": {"clientCredentials": {"tokenUrl": f"{issuer}{TOKEN}", "scopes": dict(PERMISSIONS)}}},
        "browser": SCHEMES["browser"] | {"name": cookie_name(issuer)},
    }
    document["components"]["responses"] = {}
    document["components"]["schemas"].pop("PaginationMetadata", None)  # the library's own, unused here
    for path, operations in document["paths"].items():
        if path.startswith(PREFIX):
            _complete_path(path, operations)
    return document


def _complete_path(path: str, operations: dict[str, Any]) -> None:
    in_path = operations.get("parameters", [])
    _add_parameter_examples(path, in_path)
    for method, operation in operations.items():
        if method != "parameters":
            _add_examples(path, operation)
            _complete_operation(method, path, operation, bool(in_path))


def _add_examples(path: str, operation: dict[str, Any]) -> None:
    """Add the example of each parameter, of the body and of the answer."""
    _add_parameter_examples(path, operation.get("parameters", []))
    bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
    for content in (media for body in bodies for media in body.get("content", {}).values()):
        example = example_of(content["schema"]["$ref"].rpartition("/")[2])
        content |= {} if example is None else {"example": example}


def _add_parameter_examples(path: str, parameters: list[dict[str, Any]]) -> None:
    for parameter in parameters:
        example = example_parameter(path, parameter["name"])
        parameter |= {} if example is None else {"example": example}


def _complete_operation(method: str, path: str, operation: dict[str, Any], in_path: bool) -> None:
    needed = TABLE[f"{method.upper()} {path.removeprefix(PREFIX)}"]
    operation["security"] = _security(needed)
    operation["operationId"] = f"{method}{path.removeprefix(PREFIX)}".translate(_PLAIN).strip("_")
    if isinstance(needed, str):
        operation["description"] = f"Scope: `{needed}`." if needed == MANAGE else f"Scope: `{needed}` (or `{MANAGE}`)."
    has_body = "requestBody" in operation
    refusals = ALWAYS | (AUTHENTICATED if needed is not Access.ANYONE else {})
    refusals |= (WITH_BODY if has_body else {}) | (NOT_FOUND if in_path or "404" in operation["responses"] else {})
    refusals |= WITH_INPUT if has_body or operation.get("parameters") else {}
    refusals |= CHANGING if method != "get" or needed is Access.VISITOR else {}  # two comparisons do not run at once
    refusals |= LIMITED if isinstance(needed, Access) else {}
    operation["responses"] |= {str(status): _refusal(status, text) for status, text in sorted(refusals.items())}


def _security(needed: str | Access) -> list[dict[str, list[str]]]:
    return SECURITY[needed] if isinstance(needed, Access) else [{"oauth2": [needed]}, {"bearer": [needed]}]


def _refusal(status: int, text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {PROBLEM: {"schema": schema, "example": example_problem(status, text)}}}


_PLAIN = str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})
