"""The API's description (OpenAPI 3.1), with the security of each operation from the table of authorization.py."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import marshmallow as ma
from flask import Blueprint, Flask, Response, json

from app.compat.flask_smorest import Api
from app.http.browser import TOKEN_HEADERS, cookie_name
from app.management.authorization import TABLE, Access
from app.management.blueprint import PREFIX, Operations, StrictBlueprint
from app.management.errors import PROBLEM

SECURITY: dict[Access, list[dict[str, list[str]]]] = {
    Access.ANYONE: [],
    Access.VISITOR: [{}, {"bearer": []}],
    Access.OWNER: [{"password": []}, {"browser": []}],
    Access.OWNER_READS: [{"password": []}, {"browser": []}, {"bearer": []}],
}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a machine-to-machine or personal access token"},
    "password": {"type": "http", "scheme": "basic", "description": "a user's own username and password"},
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
IN_A_PATH = {404: "The object does not exist"}
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


def register(app: Flask, subjects: Sequence[Operations], issuer: str) -> None:
    """Add GET /openapi.json, about operations that the application serves."""
    app.config.update(API_TITLE="Latchkey management API", API_VERSION="v1", OPENAPI_VERSION="3.1.0")
    description = Blueprint("description", __name__, url_prefix=PREFIX)
    serve = _Serve(app, subjects, issuer)
    description.add_url_rule("/openapi.json", "openapi", serve, provide_automatic_options=False)
    app.register_blueprint(description)


class _Serve:
    """Answer with the document, made at the first request for it."""

    def __init__(self, app: Flask, subjects: Sequence[Operations], issuer: str) -> None:
        self._app = app
        self._subjects = subjects
        self._issuer = issuer
        self._lock = threading.Lock()
        self._text = ""

    def __call__(self) -> Response:
        with self._lock:
            self._text = self._text or json.dumps(complete(self._describe(), self._issuer))
        return Response(self._text, content_type="application/json")

    def _describe(self) -> dict[str, Any]:
        """Return the library's description of the operations."""
        document = Document(self._app)
        for operations in self._subjects:
            document.describe(self._app, operations.describe())
        described: dict[str, Any] = document.spec.to_dict()
        return described


def complete(document: dict[str, Any], issuer: str) -> dict[str, Any]:
    """Add the security of each operation, from the table, and the refusals of the error handler."""
    document["servers"] = [{"url": urlsplit(issuer).path or "/"}]
    browser = SCHEMES["browser"] | {"name": cookie_name(issuer)}
    document["components"]["securitySchemes"] = SCHEMES | {"browser": browser}
    document["components"]["responses"] = {}
    document["components"]["schemas"].pop("PaginationMetadata", None)  # the library's own, unused here
    for path, operations in document["paths"].items():
        in_path = operations.get("parameters", [])
        for method, operation in operations.items():
            if method != "parameters":
                _complete_operation(method, path, operation, bool(in_path))
    return document


def _complete_operation(method: str, path: str, operation: dict[str, Any], in_path: bool) -> None:
    needed = TABLE[f"{method.upper()} {path.removeprefix(PREFIX)}"]
    operation["security"] = SECURITY[needed] if isinstance(needed, Access) else [{"bearer": [needed]}]
    operation["operationId"] = f"{method}{path.removeprefix(PREFIX)}".translate(_PLAIN).strip("_")
    if isinstance(needed, str):
        operation["description"] = f"Scope: `{needed}` (or `manage`)."
    has_body = "requestBody" in operation
    refusals = ALWAYS | (AUTHENTICATED if needed is not Access.ANYONE else {})
    refusals |= (WITH_BODY if has_body else {}) | (IN_A_PATH if in_path else {})
    refusals |= WITH_INPUT if has_body or operation.get("parameters") else {}
    refusals |= CHANGING if method != "get" or needed is Access.VISITOR else {}  # two comparisons do not run at once
    refusals |= LIMITED if isinstance(needed, Access) else {}
    schema = {"$ref": "#/components/schemas/Problem"}
    operation["responses"] |= {
        str(status): {"description": text, "content": {PROBLEM: {"schema": schema}}}
        for status, text in sorted(refusals.items())
    }


_PLAIN = str.maketrans({"/": "_", "-": "_", "{": "", "}": ""})
