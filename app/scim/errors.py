"""Answer refusals: the one handler that turns them into errors of SCIM (RFC 7644 §3.12)."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app.actions.directory.provisioning_lists import TooMany, Unfilterable
from app.errors import (
    LONGEST_TEXT,
    Busy,
    Duplicate,
    Forbidden,
    Invalid,
    LatchkeyError,
    Malformed,
    TooManyRequests,
    Unauthenticated,
    Unproven,
    shorten,
)
from app.http.bearer import bearer_challenges
from app.http.scim_error import SCIM_JSON, SCIM_ROOT, scim_error

TYPES: tuple[tuple[type[LatchkeyError], int, str], ...] = (  # the first that fits
    (Unfilterable, 400, "invalidFilter"),
    (TooMany, 400, "tooMany"),
    (Malformed, 400, "invalidSyntax"),
    (Invalid, 400, "invalidValue"),
    (Duplicate, 409, "uniqueness"),
)


class ScimRefusal(Exception):
    """A refusal in the words of SCIM, by what reads its messages."""

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.scim_type = scim_type


def register(app: Flask) -> None:
    """Answer unknown paths and methods below SCIM's root in its format; others are left to the previous handler."""
    before = app.error_handler_spec[None][None].get(HTTPException)

    def answer_unroutable(error: HTTPException) -> Any:
        if request.path.startswith(SCIM_ROOT) and error.response is None:
            return answer_http_error(error)
        return error if before is None else app.ensure_sync(before)(error)

    app.register_error_handler(HTTPException, answer_unroutable)


def answer_refusal(error: LatchkeyError) -> Response:
    """Return the answer for one of our own refusals, and remember it for the log."""
    g.refused = error
    known = next(((status, word) for refused, status, word in TYPES if isinstance(error, refused)), None)
    if known is None and error.status is None:
        raise error
    status, scim_type = known or (error.status or 500, None)
    response = _make(status, str(error), scim_type)
    if isinstance(error, Unauthenticated | Forbidden):
        response.headers.extend([("WWW-Authenticate", value) for value in bearer_challenges(error)])
    if isinstance(error, Unproven) and error.nonce is not None:
        response.headers["DPoP-Nonce"] = error.nonce  # RFC 9449 §9
    if isinstance(error, TooManyRequests | Busy):
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def answer_scim(error: ScimRefusal) -> Response:
    """Return the answer for what the reader of messages refused."""
    return _make(error.status, shorten(str(error), LONGEST_TEXT), error.scim_type)


def answer_http_error(error: HTTPException) -> Response:
    """Return the answer for what the framework refused; headers such as Allow are kept."""
    response = _make(error.code or 500, error.description or "")
    response.headers.extend([pair for pair in error.get_headers() if pair[0].lower() != "content-type"])
    return response


def _make(status: int, detail: str, scim_type: str | None = None) -> Response:
    return Response(scim_error(status, detail, scim_type), status, content_type=SCIM_JSON)
