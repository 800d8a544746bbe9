"""Answer refusals: the one handler that turns the error tree into problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from flask import Flask, Response, g, json, request
from werkzeug.exceptions import HTTPException

from app.errors import (
    Busy,
    FieldError,
    Forbidden,
    Invalid,
    LatchkeyError,
    TooManyRequests,
    Unauthenticated,
    Unproven,
)
from app.http.bearer import bearer_challenges
from app.http.possession import REALM

PROBLEM = "application/problem+json"
ROOT = "/api/"
LONGEST_LIST = 3_500  # bytes of the `errors` of a problem; the whole answer stays below 16 kB, however it is escaped
BASIC = f'Basic realm="{REALM}", charset="UTF-8"'  # RFC 7617 §2.1


def register(app: Flask) -> None:
    """Answer unknown paths and methods under /api/ with problem+json; other paths are left to the previous handler."""
    before = app.error_handler_spec[None][None].get(HTTPException)

    def answer_unroutable(error: HTTPException) -> Any:
        if request.path.startswith(ROOT) and error.response is None:
            return answer_http_error(error)
        return error if before is None else app.ensure_sync(before)(error)

    app.register_error_handler(HTTPException, answer_unroutable)


def answer_refusal(error: LatchkeyError) -> Response:
    """Return the answer for one of our own refusals, and remember it for the log."""
    g.refused = error
    if error.status is None:
        raise error
    members: dict[str, Any] = {}
    if isinstance(error, Invalid):
        members["errors"] = _list_errors(error.errors)
    response = make_problem(error.status, str(error), members)
    if isinstance(error, Unauthenticated | Forbidden):
        response.headers.extend([("WWW-Authenticate", value) for value in _challenges(error)])
    if isinstance(error, Unproven) and error.nonce is not None:
        response.headers["DPoP-Nonce"] = error.nonce  # RFC 9449 §9
    if isinstance(error, TooManyRequests | Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def answer_http_error(error: HTTPException) -> Response:
    """Return the answer for what the framework refused; headers such as Allow are kept."""
    response = make_problem(error.code or 500, error.description or "")
    kept = [(name, value) for name, value in error.get_headers() if name.lower() not in ("content-type",)]
    response.headers.extend(kept)
    return response


def make_problem(status: int, detail: str, members: dict[str, Any] | None = None) -> Response:
    """Return a problem (RFC 9457 §3.1): its type is about:blank, so its title is that of the status."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return Response(json.dumps(body | (members or {})), status, content_type=PROBLEM)


def _list_errors(errors: Iterable[FieldError]) -> list[dict[str, str]]:
    """Return each field and what is wrong with it: the first one, and as many more as fit."""
    listed: list[dict[str, str]] = []
    size = 0
    for error in errors:
        item = {"field": error.field, "message": error.message}
        size += len(json.dumps(item))
        if listed and size > LONGEST_LIST:
            break
        listed.append(item)
    return listed


def _challenges(error: Unauthenticated | Forbidden) -> list[str]:
    """List the challenges of the scheme that was used, and Basic where it is accepted."""
    basic = [BASIC] if g.get("takes_passwords") and not isinstance(error, Forbidden | Unproven) else []
    return [*basic, *bearer_challenges(error)]
