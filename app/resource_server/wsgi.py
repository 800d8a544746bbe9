"""Protect a WSGI application (PEP 3333), or a part of one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from wsgiref.util import request_uri

from .certificate import read_certificate
from .configuration import Configuration, Verification
from .current import set_credential
from .errors import Refusal
from .guard import Guard
from .metadata import metadata_path, protected_resource_metadata
from .request import Request, keep_request, normalize_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def protect(
    application: WSGIApplication, guard: Guard, *scopes: str, verify: Verification | None = None
) -> WSGIApplication:
    """Return the application behind a guard: every request needs all of these scopes, whatever its method.

    It also answers the request for the metadata of the resource (RFC 9728), which needs no credential.
    """
    configuration = guard.configuration
    chosen = configuration.choose_verification(verify)
    well_known = unquote(metadata_path(configuration)).encode().decode("latin-1")  # PEP 3333: bytes as latin-1
    document = protected_resource_metadata(configuration)

    def protected(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("PATH_INFO") == well_known and environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return _send(environ, start_response, 200, [("Content-Type", "application/json")], document)
        try:
            request = read_request(environ, configuration, request_uri(environ, include_query=False))
            credential = guard.authenticate(keep_request(environ, request), scopes, chosen)
        except Refusal as refusal:
            return _send(environ, start_response, refusal.status, refusal.headers, refusal.body)
        context = copy_context()
        context.run(set_credential, credential)
        return _keep_context(context, context.run(application, environ, start_response))

    return protected


def read_request(environ: WSGIEnvironment, configuration: Configuration, url: str) -> Request:
    """Return the request as a guard sees it; behind a proxy, a middleware like ProxyFix sets its address and scheme."""
    named = configuration.certificate_header
    header = f"HTTP_{named.upper().replace('-', '_')}" if named else "SSL_CLIENT_CERT"
    return Request(
        method=environ["REQUEST_METHOD"],
        url=url,
        authorization=_values(environ, "HTTP_AUTHORIZATION"),
        api_key=_values(environ, "HTTP_X_API_KEY"),
        dpop=_values(environ, "HTTP_DPOP"),
        client_ip=normalize_address(environ.get("REMOTE_ADDR")),
        certificate=read_certificate(environ.get(header)),
    )


def _values(environ: WSGIEnvironment, name: str) -> tuple[str, ...]:
    """Return a header; a server has joined several of one name by commas (RFC 3875 §4.1.18)."""
    return (environ[name],) if name in environ else ()


def _send(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: int,
    headers: list[tuple[str, str]],
    document: dict[str, Any],
) -> Iterable[bytes]:
    body = json.dumps(document).encode()
    start_response(f"{status} {HTTPStatus(status).phrase}", [*headers, ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _keep_context(context: Context, body: Iterable[bytes]) -> Iterable[bytes]:
    """Return a body whose parts are made with the credential too; a list needs no wrapper, and shows its length."""
    return body if isinstance(body, list | tuple) else _Body(context, body)


class _Body:
    """Iterate over the body of a response in the context of its request."""

    def __init__(self, context: Context, body: Iterable[bytes]) -> None:
        self._context = context
        self._parts: Iterator[bytes] = context.run(iter, body)
        self._close: Callable[[], object] = getattr(body, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._context.run(next, self._parts)

    def close(self) -> None:
        """Close the body, as PEP 3333 requires of a server."""
        self._context.run(self._close)
