"""Render every refusal of the OAuth endpoints as an RFC 6749 §5.2 object."""

from __future__ import annotations

import json
import re
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidClientError
from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app.errors import (
    LONGEST_TEXT,
    BadDocument,
    Busy,
    GrantRefused,
    LatchkeyError,
    NonceNeeded,
    TooManyRequests,
    Unauthenticated,
    Unproven,
    shorten,
)
from app.http.possession import REALM, challenges

OUTSIDE = re.compile(
    r"[^\x20-\x21\x23-\x5B\x5D-\x7E]"
)  # RFC 6749 §5.2: characters that error_description must not contain
KEPT_HEADERS = ("Allow", "Retry-After")  # of an error of Flask
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class ClientRefused(InvalidClientError):
    """The one answer to every failed authentication, where Authlib distinguishes them (RFC 6749 §5.2)."""

    def __init__(self, *, tried_basic: bool = False) -> None:
        super().__init__("client authentication failed", status_code=401)
        self._tried_basic = tried_basic

    def get_headers(self) -> list[tuple[str, str]]:
        """Challenge with Basic only when Basic was tried."""
        inherited: list[tuple[str, str]] = super().get_headers()  # type: ignore[no-untyped-call]
        headers = [h for h in inherited if h[0] != "WWW-Authenticate"]
        if self._tried_basic:
            headers.append(("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"'))
        return headers


def refusal(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response:
    """Return the error response."""
    body = json.dumps({"error": error, "error_description": clean_description(description)})
    return Response(body, status, NO_STORE | (headers or {}), content_type="application/json")


def clean_description(text: str) -> str:
    """Return a description in the characters that RFC 6749 allows; Authlib raises ValueError for others."""
    return OUTSIDE.sub("?", shorten(text, LONGEST_TEXT))


def register(app: Flask) -> None:
    """Handle the errors that no other interface handles: Authlib's, and Flask's 404, 405 and 413."""
    app.register_error_handler(OAuth2Error, from_authlib)
    app.register_error_handler(HTTPException, from_flask)


def from_authlib(error: OAuth2Error) -> Response:
    """Render an error of Authlib, or of our overrides."""
    status, body, headers = error()
    return Response(json.dumps(with_description(body)), status, [*headers])


def with_description(body: dict[str, str]) -> dict[str, str]:
    """Return the error with a description: several of Authlib's have none."""
    return {"error_description": body["error"].replace("_", " ")} | body


def from_latchkey(error: LatchkeyError) -> Response:
    """Render a refusal of an action, and remember it for the log."""
    g.refused = error
    if isinstance(error, NonceNeeded):
        return refusal(400, error.code, str(error), {"DPoP-Nonce": error.nonce})  # RFC 9449 §8
    if isinstance(error, BadDocument):
        return refusal(401, error.code, str(error))
    if isinstance(error, GrantRefused):
        return refusal(400, error.code, str(error))
    if isinstance(error, TooManyRequests | Busy):
        status = error.status or 503
        return refusal(status, "temporarily_unavailable", str(error), {"Retry-After": str(error.retry_after)})
    if isinstance(error, Unproven):
        answer = refusal(401, error.error or "", str(error), {"DPoP-Nonce": error.nonce} if error.nonce else None)
        answer.headers.extend([("WWW-Authenticate", value) for value in challenges(error)])
        return answer
    if isinstance(error, Unauthenticated):
        return refusal(401, error.error or "invalid_client", str(error))
    return refusal(400, "invalid_request", str(error))


def from_flask(error: HTTPException) -> Any:
    """Render an error that Flask raised; redirects and complete responses are not changed."""
    code = error.code or 500
    if code < 400 or error.response is not None or request.path.startswith("/api/"):
        return error
    headers = {name: value for name, value in error.get_headers() if name in KEPT_HEADERS}
    return refusal(code, "invalid_request", error.name.lower(), headers)
