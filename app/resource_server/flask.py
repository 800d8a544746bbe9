"""Protect the routes of a Flask application."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast
from urllib.parse import unquote

import flask

from .certificate import read_certificate
from .configuration import Configuration, Verification
from .current import current_credential, use_credential
from .errors import Refusal
from .guard import Guard
from .metadata import metadata_path, protected_resource_metadata
from .request import Request, keep_request, normalize_address

P = ParamSpec("P")
R = TypeVar("R")
__all__ = ["ResourceServer", "current_credential"]


class ResourceServer:
    """Protect the routes of one API resource; it takes the arguments of `Configuration`."""

    def __init__(
        self, issuer: str, resource: str, client_id: str = "", client_secret: str = "", **settings: Any
    ) -> None:
        """Take the server, this API's identifier, and a client that serves it."""
        self.configuration = Configuration(issuer, resource, client_id, client_secret, **settings)
        self.guard = Guard(self.configuration)

    def init_app(self, app: flask.Flask) -> None:
        """Serve the metadata of the resource at its well-known path (RFC 9728)."""
        document = protected_resource_metadata(self.configuration)
        path = unquote(metadata_path(self.configuration))
        app.add_url_rule(path, f"latchkey {path}", lambda: flask.jsonify(document), methods=["GET"])

    def require_scope(
        self, *scopes: str, verify: Verification | None = None
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Return a decorator that demands all of these scopes."""
        chosen = self.configuration.choose_verification(verify)

        def protect(view: Callable[P, R]) -> Callable[P, R]:
            @functools.wraps(view)
            def protected(*args: P.args, **kwargs: P.kwargs) -> R:
                try:
                    credential = self.guard.authenticate(self._read_request(), scopes, chosen)
                except Refusal as refusal:
                    return cast(R, _respond(refusal))
                with use_credential(credential):
                    return cast(R, flask.current_app.ensure_sync(view)(*args, **kwargs))

            return protected

        return protect

    def _read_request(self) -> Request:
        """Return the request as a guard sees it; behind a proxy, ProxyFix sets its address and scheme."""
        request, headers = flask.request, flask.request.headers
        named = self.configuration.certificate_header
        sent = headers.get(named) if named else request.environ.get("SSL_CLIENT_CERT")
        found = Request(
            method=request.method,
            url=request.base_url,
            authorization=tuple(headers.getlist("Authorization")),
            api_key=tuple(headers.getlist("X-API-Key")),
            dpop=tuple(headers.getlist("DPoP")),
            client_ip=normalize_address(request.remote_addr),
            certificate=read_certificate(sent),
        )
        return keep_request(request.environ, found)


def _respond(refusal: Refusal) -> flask.Response:
    response = flask.jsonify(refusal.body)
    response.status_code = refusal.status
    response.headers.remove("Content-Type")
    for name, value in refusal.headers:
        response.headers.add(name, value)
    return response
