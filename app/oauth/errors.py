"""One handler: every refusal on the OAuth side as an RFC 6749 §5.2 object."""

from __future__ import annotations

import json
import re

from authlib.oauth2 import OAuth2Error
from flask import Flask, Response, request

from app.errors import (
    LONGEST_TEXT,
    Busy,
    GrantRefused,
    LatchkeyError,
    NonceNeeded,
    TooManyRequests,
    Unauthenticated,
    Unproven,
    shorten,
)
from app.http.possession import challenges

OUTSIDE = re.compile(r"[^\x20-\x21\x23-\x5B\x5D-\x7E]")  # RFC 6749 §5.2: what error_description may not hold
KEPT_OF_OTHERS = ("Allow", "Retry-After", "Vary", "Access-Control-Allow-Origin", "Access-Control-Expose-Headers")
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


def refusal(status: int, error: str, description: str, headers: dict[str, str] | None = None) -> Response:
    """Make the error answer."""
    text = OUTSIDE.sub("?", shorten(description, LONGEST_TEXT))
    body = json.dumps({"error": error, "error_description": text})
    return Response(body, status, NO_STORE | (headers or {}), content_type="application/json")


def register(app: Flask) -> None:
    """Translate refusals; other rooms translate their own."""
    app.register_error_handler(OAuth2Error, from_authlib)
    app.after_request(in_our_words)


def from_authlib(error: OAuth2Error) -> Response:
    """Print an error of Authlib, or of our overrides."""
    status, body, headers = error()
    return Response(json.dumps(described(body)), status, [*headers])


def described(body: dict[str, str]) -> dict[str, str]:
    """Give every error a description: several of Authlib's have none."""
    return {"error_description": body["error"].replace("_", " ")} | body


def from_latchkey(error: LatchkeyError) -> Response:
    """Print a refusal of an action."""
    if isinstance(error, NonceNeeded):
        return refusal(400, error.code, str(error), {"DPoP-Nonce": error.nonce})  # RFC 9449 §8
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


def in_our_words(response: Response) -> Response:
    """Give what Flask refused by itself (404, 405 with its Allow, 413) as an object too; other rooms are left alone."""
    outside = request.path.startswith("/api/") or "Content-Security-Policy" in response.headers  # a page
    if response.status_code < 400 or response.mimetype != "text/html" or outside:
        return response
    spoken = refusal(response.status_code, "invalid_request", response.status.partition(" ")[2].lower())
    for name in KEPT_OF_OTHERS:
        if name in response.headers:
            spoken.headers[name] = response.headers[name]
    return spoken
