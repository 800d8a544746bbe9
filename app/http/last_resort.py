"""Errors that no interface handles: an unavailable database is a 503, anything else a 500, without a reason.

The format is that of the path: problem+json under /api/ (RFC 9457), SCIM's, a page for a browser, else an OAuth error.
"""

from __future__ import annotations

import json
from types import TracebackType

from flask import Flask, Response, request
from flask_babel import get_locale, gettext
from sqlalchemy.exc import DatabaseError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import InternalServerError

from app.http.envelope import request_id
from app.http.scim_error import SCIM_JSON, SCIM_ROOT, scim_error
from app.operations import logs

Raised = tuple[type, BaseException, TracebackType] | tuple[None, None, None]
TITLES = {500: "Internal Server Error", 503: "Service Unavailable"}
CODES = {500: "server_error", 503: "temporarily_unavailable"}  # RFC 6749 §4.1.2.1 has the names
NEVER_PAGES = ("/oauth/", "/.well-known/")  # a gateway forwards the browser's Accept
POLICY = "default-src 'none'; frame-ancestors 'none'"
PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title} · Latchkey</title>
<h1>{title}</h1><p role="alert">{text}</p></html>
"""


def register(app: Flask) -> None:
    """Register the handlers of the whole application."""
    for unavailable in (OperationalError, InternalError, PoolTimeout):  # InternalError: a read-only PostgreSQL
        app.register_error_handler(unavailable, _answer_unavailable)
    app.register_error_handler(DatabaseError, _answer_database_error)
    app.register_error_handler(InternalServerError, _answer_failure)
    app.log_exception = _log_exception  # type: ignore[assignment,method-assign]  # Flask's own writes values


def wants_page() -> bool:
    """Return whether an error is shown to a person in a browser: no interface for programs has this path.

    Chromium's Accept names a type with a parameter, which Werkzeug's `best` ranks before text/html whatever its q.
    """
    accept = request.accept_mimetypes
    programs = request.path.startswith(("/api/", SCIM_ROOT, *NEVER_PAGES))
    return not programs and accept["text/html"] > accept["application/json"]


def _answer_unavailable(error: Exception) -> Response:
    logs.request_log.error("database unavailable", request_id=request_id(), exc_info=error)
    answer = _answer(503)
    answer.headers["Retry-After"] = "2"
    return answer


def _answer_database_error(error: DatabaseError) -> Response:
    """Answer 503 for a file that SQLite cannot read: that is a bare DatabaseError; its subclasses are our bugs."""
    if type(error) is DatabaseError:
        return _answer_unavailable(error)
    _log_exception((type(error), error, error.__traceback__))  # type: ignore[arg-type]
    return _answer(500)


def _answer_failure(error: InternalServerError) -> Response:
    return _answer(500)  # logged already


def _log_exception(raised: Raised) -> None:
    logs.request_log.error("unhandled exception", request_id=request_id(), exc_info=raised)


def _answer(status: int) -> Response:
    if request.path.startswith("/api/"):
        body = {"type": "about:blank", "title": TITLES[status], "status": status, "detail": "try again later"}
        return Response(json.dumps(body), status, content_type="application/problem+json")
    if request.path.startswith(SCIM_ROOT):
        return Response(scim_error(status, "try again later"), status, content_type=SCIM_JSON)
    if wants_page():
        return _render_page(status)
    body = {"error": CODES[status], "error_description": "try again later"}
    return Response(json.dumps(body), status, content_type="application/json", headers={"Pragma": "no-cache"})


def _render_page(status: int) -> Response:
    """Render a page in the language of the browser, without templates: they may be what failed."""
    language = str(get_locale() or "en").replace("_", "-")
    text = PAGE.format(language=language, title=gettext(TITLES[status]), text=gettext("Try again later."))
    page = Response(text, status, content_type="text/html; charset=utf-8")
    page.headers["Content-Security-Policy"] = POLICY
    return page
