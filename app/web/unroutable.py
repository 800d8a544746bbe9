"""Answer a browser with a page for what no route takes: an unknown path, a wrong method, a malformed request."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from flask import Flask
from werkzeug.exceptions import HTTPException

from app.http.last_resort import wants_page
from app.texts import mark
from app.web.pages import render
from app.web.wordings import translate

MESSAGES = {
    404: mark("There is no page at this address: it may have been mistyped, or what it showed may have been deleted."),
    405: mark("This address does not take such a request: open the page before it again."),
}
OTHERWISE = mark("The server cannot read this request.")
KEPT_HEADERS = ("Allow", "Retry-After")


def register(app: Flask) -> None:
    """Handle the errors of Flask for browsers; programs are left to the previous handler."""
    before = app.error_handler_spec[None][None].get(HTTPException)

    def answer(error: HTTPException) -> Any:
        if (error.code or 0) >= 400 and error.response is None and wants_page():
            return _render(error)
        return error if before is None else app.ensure_sync(before)(error)

    app.register_error_handler(HTTPException, answer)


def _render(error: HTTPException) -> Any:
    status = HTTPStatus(error.code or 500)
    message = translate(MESSAGES.get(status, OTHERWISE))
    page = render("error.html", status, title=translate(status.phrase), message=message, start=True)
    page.headers.extend([(name, value) for name, value in error.get_headers() if name in KEPT_HEADERS])
    return page
