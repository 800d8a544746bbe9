"""Protect the routes of a FastAPI application, and the endpoints of a Starlette one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, ParamSpec, cast
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.websockets import WebSocket

from . import asgi
from .configuration import Configuration, Verification
from .credential import Credential
from .current import current_credential, use_credential
from .errors import Refusal
from .guard import AsyncGuard
from .metadata import metadata_path, protected_resource_metadata

P = ParamSpec("P")
Dependency = Callable[..., AsyncIterator[Credential]]
__all__ = ["RefusedRequest", "ResourceServer", "current_credential"]


class RefusedRequest(HTTPException):
    """Carry a refusal out of a dependency: an HTTPException, so that it is one too where no handler is installed."""

    def __init__(self, refusal: Refusal) -> None:
        """Take the status, the body and all the headers of a refusal."""
        lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers]
        super().__init__(refusal.status, cast(Any, refusal.body), Headers(raw=lines))


class ResourceServer:
    """Protect the routes of one API resource; the arguments are the fields of `Configuration`."""

    def __init__(
        self, issuer: str, resource: str, client_id: str = "", client_secret: str = "", **settings: Any
    ) -> None:
        """Take the server, this API's identifier, and a client that serves it."""
        self.configuration = Configuration(issuer, resource, client_id, client_secret, **settings)
        self.guard = AsyncGuard(self.configuration)

    def init_app(self, app: Starlette) -> None:
        """Serve the metadata of the resource (RFC 9728), and answer what a dependency refuses as RFC 6750 has it."""
        document = protected_resource_metadata(self.configuration)

        async def metadata(request: Request) -> Response:
            return JSONResponse(document)

        app.router.routes.insert(
            0, Route(unquote(metadata_path(self.configuration)), metadata, include_in_schema=False)
        )
        app.add_exception_handler(RefusedRequest, _respond)

    def require_scope(self, *scopes: str, verify: Verification | None = None) -> Dependency:
        """Return a dependency of FastAPI that demands all of these scopes, and returns the credential."""
        from . import openapi  # only here is FastAPI imported, which an application of Starlette need not have

        chosen = self.configuration.choose_verification(verify)
        bearer, key = openapi.show_schemes(scopes)

        async def dependency(
            connection: HTTPConnection, _bearer: object = bearer, _key: object = key
        ) -> AsyncIterator[Credential]:
            try:
                credential = await asgi.authenticate(connection.scope, self.guard, scopes, chosen)
            except Refusal as refusal:
                raise _carry(refusal, connection) from None
            with use_credential(credential):
                yield credential

        return dependency

    def protect(
        self, *scopes: str, verify: Verification | None = None
    ) -> Callable[[Callable[P, Any]], Callable[P, Coroutine[Any, Any, Any]]]:
        """Return a decorator of Starlette's endpoints that demands all of these scopes.

        An endpoint is a function of a request or a WebSocket, or such a method of an endpoint's class.
        """
        chosen = self.configuration.choose_verification(verify)

        def decorate(endpoint: Callable[P, Any]) -> Callable[P, Coroutine[Any, Any, Any]]:
            if inspect.isclass(endpoint):
                raise TypeError(f"{endpoint.__name__} is a class: decorate its methods, or use asgi.protect")

            @functools.wraps(endpoint)
            async def protected(*args: P.args, **kwargs: P.kwargs) -> Any:
                connection = _find_connection(*args, *kwargs.values())
                try:
                    credential = await asgi.authenticate(connection.scope, self.guard, scopes, chosen)
                except Refusal as refusal:
                    return await _answer(connection, refusal)
                with use_credential(credential):
                    if inspect.iscoroutinefunction(endpoint):
                        return await endpoint(*args, **kwargs)
                    return await run_in_threadpool(endpoint, *args, **kwargs)

            return protected

        return decorate


def _carry(refusal: Refusal, connection: HTTPConnection) -> Exception:
    """Return the exception that refuses a request, or a WebSocket whose server cannot refuse it with a response."""
    if connection.scope["type"] == "websocket" and not asgi.can_deny(connection.scope):
        return WebSocketException(asgi.POLICY_VIOLATION, refusal.error)
    return RefusedRequest(refusal)


async def _respond(connection: HTTPConnection, refused: Any) -> Response:
    """Return the response of a refusal that a dependency raised."""
    return JSONResponse(refused.detail, refused.status_code, refused.headers)


async def _answer(connection: HTTPConnection, refusal: Refusal) -> Response | None:
    """Return the response of a refusal; to a WebSocket it is sent here."""
    if isinstance(connection, WebSocket):
        await asgi.refuse(refusal, connection.scope, connection.receive, connection.send)
        return None
    return await _respond(connection, RefusedRequest(refusal))


def _find_connection(*arguments: object) -> HTTPConnection:
    """Return the request or the WebSocket among the arguments of an endpoint."""
    for argument in arguments:
        if isinstance(argument, HTTPConnection):
            return argument
    raise TypeError("a protected endpoint takes a request or a WebSocket")
