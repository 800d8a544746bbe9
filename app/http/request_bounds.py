"""Bounds of a request, checked before it is parsed: the length of its headers, the size and the type of its form.

granian accepts heads of about 400 kB, and closes the connection on longer ones; a body is bounded by MAX_BODY
(app/__init__.py). No route takes a file: `multipart/form-data` is never parsed, and its boundary never compiled.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_from_bytes

from flask import Flask, Request, request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import FormDataParser

from app.http.scim_error import SCIM_JSON, SCIM_ROOT, scim_error
from app.operations.paths import AUTHORIZE

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORM = "application/x-www-form-urlencoded"
LONGEST_HEADER = 16_384  # characters of one header; the longest that we read is a client certificate
LONGEST_TYPE = 256  # characters of a Content-Type
MOST_FORM = 262_144  # bytes of a form; the longest field, a pasted JWK set, has 60,000 characters
ASCII = bytes(range(0x80))
MOST_FIELDS = 1_000  # of a form
UNKNOWN_TYPE = "application/octet-stream"
FORWARDED = "/oauth/"  # a gateway copies its caller's headers there, cookies too: only Accept is parsed
REFUSED = "431 Request Header Fields Too Large"  # RFC 6585 §5
DETAIL = f"a header is longer than {LONGEST_HEADER} characters"


def register(app: Flask) -> None:
    """Bound every request to the application."""
    app.request_class = BoundedRequest
    app.before_request(_bound_form)
    app.wsgi_app = HeaderBounds(app.wsgi_app)  # type: ignore[method-assign]


class FormParser(FormDataParser):
    """Read forms of at most MOST_FIELDS fields, where Werkzeug reads any number, and multipart too."""

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> tuple[IO[bytes], MultiDict[str, str], MultiDict[str, Any]]:
        """Return the rest of the body, the fields and no files."""
        if mimetype != FORM:
            return stream, self.cls(), self.cls()
        body = stream.read()
        if body.count(b"&") >= MOST_FIELDS:
            raise RequestEntityTooLarge(f"a form has at most {MOST_FIELDS} fields")
        fields = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
        return stream, self.cls(fields), self.cls()


class BoundedRequest(Request):
    """Flask's request, with our parser of forms, and with a query that Werkzeug can decode."""

    form_data_parser_class = FormParser

    def __init__(self, environ: WSGIEnvironment, *args: Any, **options: Any) -> None:
        """Escape the bytes of the query outside ASCII, where Werkzeug fails on bytes that are not UTF-8."""
        super().__init__(environ, *args, **options)
        self.query_string = quote_from_bytes(self.query_string, ASCII).encode()


class HeaderBounds:
    """A WSGI application that refuses a long header before Werkzeug parses it."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on, an overlong Content-Type as one that no route takes; or answer 431."""
        if len(environ.get("CONTENT_TYPE", "")) > LONGEST_TYPE:
            environ["CONTENT_TYPE"] = UNKNOWN_TYPE
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(FORWARDED) and not path.startswith(AUTHORIZE):  # which reads the cookie of a browser
            if len(environ.get("HTTP_ACCEPT", "")) > LONGEST_HEADER:
                del environ["HTTP_ACCEPT"]
            return self._inner(environ, start_response)
        if not _has_long_header(environ):
            return self._inner(environ, start_response)
        body, content_type = _refusal(path)
        start_response(REFUSED, [("Content-Type", content_type), ("Content-Length", str(len(body)))])
        return [body]


def _bound_form() -> None:
    """Bound a form to MOST_FORM; a longer one is 413."""
    if request.mimetype == FORM:
        request.max_content_length = MOST_FORM


def _has_long_header(environ: WSGIEnvironment) -> bool:
    return any(len(value) > LONGEST_HEADER for name, value in environ.items() if name.startswith("HTTP_"))


def _refusal(path: str) -> tuple[bytes, str]:
    """Return the body and its type, in the error format of the path (RFC 9457, RFC 7644, RFC 6749 §5.2)."""
    if path.startswith("/api/"):
        status, _, title = REFUSED.partition(" ")
        problem = {"type": "about:blank", "title": title, "status": int(status), "detail": DETAIL}
        return json.dumps(problem).encode(), "application/problem+json"
    if path.startswith(SCIM_ROOT):
        return scim_error(431, DETAIL).encode(), SCIM_JSON
    return json.dumps({"error": "invalid_request", "error_description": DETAIL}).encode(), "application/json"
