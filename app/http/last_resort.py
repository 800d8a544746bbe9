"""What no face translates: a database that is away is a 503, anything else a 500. Neither says more.

Each speaks as its path does: problem+json under /api/ (RFC 9457), a page to a browser, else what OAuth calls an error.
"""

from __future__ import annotations

import json
from types import TracebackType

from flask import Flask, Response, request
from sqlalchemy.exc import DatabaseError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import InternalServerError

from app.http.envelope import request_id
from app.operations import logs

Raised = tuple[type, BaseException, TracebackType] | tuple[None, None, None]
TITLES = {500: "Internal Server Error", 503: "Service Unavailable"}
CODES = {500: "server_error", 503: "temporarily_unavailable"}  # RFC 6749 §4.1.2.1 has the names
MACHINES = ("/oauth/", "/.well-known/")  # never a page: a gateway hands the browser's Accept on
POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} · Latchkey</title>
<h1>{title}</h1><p role="alert">Try again later.</p></html>
"""


def register(app: Flask) -> None:
    """Handle what reaches the application itself."""
    for away in (OperationalError, InternalError, PoolTimeout):  # InternalError: a PostgreSQL that only reads now
        app.register_error_handler(away, _unavailable)
    app.register_error_handler(DatabaseError, _damaged)
    app.register_error_handler(InternalServerError, _failed)
    app.log_exception = _log  # type: ignore[assignment,method-assign]  # Flask's own writes values


def _unavailable(error: Exception) -> Response:
    logs.request_log.error("database unavailable", request_id=request_id(), exc_info=error)
    answer = _answer(503)
    answer.headers["Retry-After"] = "2"
    return answer


def _damaged(error: DatabaseError) -> Response:
    """A file that is damaged or none of SQLite's has no name of its own; what has one is a bug of ours."""
    if type(error) is DatabaseError:
        return _unavailable(error)
    _log((type(error), error, error.__traceback__))  # type: ignore[arg-type]
    return _answer(500)


def _failed(error: InternalServerError) -> Response:
    return _answer(500)  # logged already


def _log(raised: Raised) -> None:
    logs.request_log.error("unhandled exception", request_id=request_id(), exc_info=raised)


def _answer(status: int) -> Response:
    if request.path.startswith("/api/"):
        body = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": "try again later"}
        return Response(json.dumps(body), status, content_type="application/problem+json")
    if not request.path.startswith(MACHINES) and request.accept_mimetypes.best == "text/html":
        page = Response(PAGE.format(title=TITLES[status]), status, content_type="text/html; charset=utf-8")
        page.headers["Content-Security-Policy"] = POLICY
        return page
    body = {"error": CODES[status], "error_description": "try again later"}
    return Response(json.dumps(body), status, content_type="application/json", headers={"Pragma": "no-cache"})
