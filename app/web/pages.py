"""Render pages, with a Content-Security-Policy that allows this server's own files only."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Any

from flask import Response, flash, redirect, render_template, url_for
from flask_babel import gettext
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Response as AnyResponse

from app.errors import Busy, LatchkeyError, TooManyRequests
from app.http.request_bounds import MOST_FIELDS, MOST_FORM
from app.web.languages import set_vary
from app.web.wordings import translate, translate_refusal

POLICY = (
    "default-src 'none'; {scripts}style-src 'self'; img-src 'self' data:; form-action {forms}; base-uri 'none'; "
    "frame-ancestors 'none'"
)
SCRIPTS = "script-src 'nonce-{nonce}'; connect-src 'self'; "


def render_plain(template: str, status: int = 200, **values: Any) -> Response:
    """Render a page without scripts; its template escapes every text."""
    return _respond(render_template(template, **values), status)


def render(template: str, status: int = 200, *, redirects_to: str = "", **values: Any) -> Response:
    """Render a page whose scripts run by the nonce of this one response.

    `redirects_to` are sources of CSP to which a form of the page may be redirected, beside this server.
    """
    nonce = secrets.token_urlsafe(16)
    text = render_template(template, nonce=nonce, **values)
    return _respond(text, status, SCRIPTS.format(nonce=nonce), f"'self' {redirects_to}".strip())


def redirect_with(message: str, endpoint: str, **values: Any) -> AnyResponse:
    """Redirect to a page that shows the message, so that a reload does not send the form again."""
    flash(message)
    return redirect(url_for(endpoint, **values), 303)


def render_error(error: LatchkeyError) -> Response:
    """Render a refusal that belongs to no form."""
    status = status_of(error)
    page = render(
        "error.html", status, title=translate(HTTPStatus(status).phrase), message=translate_refusal(str(error))
    )
    return set_retry_after(page, error)


def render_expired_form(error: HTTPException) -> Response:
    """Render the refusal of a form of another site, or of a session that has ended."""
    message = gettext("Go back, load its page again, and repeat.")
    return render("error.html", 400, title=gettext("This form is out of date"), message=message)


def render_unreadable_form(error: HTTPException) -> Response:
    """Render the refusal of a form that is too large or of another content type."""
    status = error.code or 400
    sizes = {"fields": MOST_FIELDS, "size": MOST_FORM // 1024}
    bounds = gettext("a form has at most %(fields)s fields and %(size)s KiB", **sizes)
    message = bounds if status == RequestEntityTooLarge.code else translate_refusal(error.description or "")
    return render("error.html", status, title=translate(HTTPStatus(status).phrase), message=message)


def status_of(error: LatchkeyError) -> int:
    """Return the HTTP status of a refusal."""
    return error.status or 400


def set_retry_after(response: Response, error: LatchkeyError) -> Response:
    """Set Retry-After where the refusal is temporary (RFC 9110 §10.2.3)."""
    if isinstance(error, TooManyRequests | Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _respond(text: str, status: int, scripts: str = "", forms: str = "'self'") -> Response:
    response = Response(text, status, content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY.format(scripts=scripts, forms=forms)
    return set_vary(response)
