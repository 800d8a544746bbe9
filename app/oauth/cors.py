"""CORS (Fetch standard): the answers that a script on a page of another origin may read, never with cookies."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

HEADERS = "Authorization, Content-Type, DPoP"
EXPOSED = "DPoP-Nonce, Retry-After, WWW-Authenticate, X-Request-Id"
PREFLIGHT_MAX_AGE = 600  # seconds that a browser may keep the answer to a preflight


def open_to_all(response: Response) -> Response:
    """Allow every origin to read a public document."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response


def open_to(blueprint: Blueprint, origins: Collection[str], names: Sequence[str]) -> None:
    """Answer browsers of these origins at the POST endpoints of these names, which an app in a browser needs.

    If no origins are configured, no CORS headers are sent.
    """
    if not origins:
        return
    shared = {f"{blueprint.name}.{name}" for name in names}

    def preflight() -> Response:
        if request.headers.get("Origin") not in origins or "Access-Control-Request-Method" not in request.headers:
            raise MethodNotAllowed(["POST"])
        methods = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": HEADERS}
        return Response(status=204, headers={**methods, "Access-Control-Max-Age": str(PREFLIGHT_MAX_AGE)})

    for name in names:
        blueprint.add_url_rule(f"/{name}", f"{name}_preflight", preflight, methods=["OPTIONS"])
        shared.add(f"{blueprint.name}.{name}_preflight")

    @blueprint.after_request
    def name_origin(response: Response) -> Response:
        if request.endpoint in shared and "Origin" in request.headers:
            response.headers.add("Vary", "Origin")
            if request.headers["Origin"] in origins:
                response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
                response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response
