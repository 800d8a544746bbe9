"""The same API with every adapter: each route shows the current credential, and needs other scopes than the next.

/asked introspects, /local verifies locally, /both needs two scopes, /open none; /meet answers two requests at once.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import flask
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from fastapi import Depends, FastAPI
from rest_framework.response import Response
from rest_framework.views import APIView
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from app.resource_server import AsyncGuard, Configuration, Guard, Verification, asgi, current_credential, wsgi
from app.resource_server import django as django_adapter
from app.resource_server import flask as flask_adapter
from app.resource_server import starlette as starlette_adapter
from app.resource_server.drf import HasScope, LatchkeyAuthentication
from tests.api import Json, expect
from tests.contract.world import World
from tests.dpop import Prover
from tests.resource_server.django_project import project
from tests.resource_server.serving import serve_asgi, serve_wsgi

NAMES = ("kind", "id", "subject", "username", "client_id", "exchanged")
METHODS = ["GET", "HEAD", "POST", "OPTIONS"]
PATIENCE = 30  # seconds
DER = b"a certificate"
PEM = ssl.DER_cert_to_PEM_cert(DER)
Rights = tuple[str, tuple[str, ...], Verification | None]  # a path, its scopes, how it verifies


@dataclass(frozen=True)
class Setup:
    """What a resource server is made with, and the scopes of its routes."""

    arguments: tuple[str, str, str, str]
    read: str
    write: str
    settings: Json = field(default_factory=dict)

    @property
    def routes(self) -> list[Rights]:
        """Return the protected routes."""
        return [
            ("/asked", (self.read,), None),
            ("/local", (self.read,), "local"),
            ("/both", (self.read, self.write), None),
            ("/meet", (self.read,), None),
        ]

    @property
    def configuration(self) -> Configuration:
        """Return the configuration."""
        return Configuration(*self.arguments, **self.settings)


def issue_bound_token(world: World, prover: Prover) -> str:
    """Issue a token that is bound to the key of the prover."""
    proof = {"DPoP": prover.proof("POST", f"{world.admin.issuer}/oauth/token")}
    form = {"grant_type": "client_credentials", "resource": world.identifier}
    return str(expect(200, world.admin.token_request(form, world.client, headers=proof)).json()["access_token"])


def show_credential() -> Json:
    """Return the current credential, or that there is none."""
    try:
        return {name: getattr(current_credential, name) for name in NAMES}
    except RuntimeError:
        return {"kind": None}


class Meeting:
    """Show the credential once two requests at /meet are being answered."""

    def __init__(self) -> None:
        self._threads = threading.Barrier(2, timeout=PATIENCE)
        self._tasks = asyncio.Barrier(2)

    def show(self, path: str) -> Json:
        """Return the credential, in a thread."""
        if path == "/meet":
            self._threads.wait()
        return show_credential()

    async def show_async(self, path: str) -> Json:
        """Return the credential, in a task."""
        if path == "/meet":
            async with asyncio.timeout(PATIENCE):
                await self._tasks.wait()
        return show_credential()


def by_wsgi(setup: Setup) -> AbstractContextManager[str]:
    """Serve it with `wsgi.protect`."""
    guard, meeting = Guard(setup.configuration), Meeting()

    def show(environ: Json, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(meeting.show(environ["PATH_INFO"])).encode()]

    routes = {path: wsgi.protect(show, guard, *scopes, verify=verify) for path, scopes, verify in setup.routes}
    routes["/open"] = show
    other = wsgi.protect(show, guard)
    return serve_wsgi(lambda environ, respond: routes.get(environ["PATH_INFO"], other)(environ, respond))


def by_asgi(setup: Setup) -> AbstractContextManager[str]:
    """Serve it with `asgi.protect`."""
    guard, meeting = AsyncGuard(setup.configuration), Meeting()

    async def show(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        answer = JSONResponse(await meeting.show_async(scope["path"]))
        await answer(scope, receive, send)

    routes = {path: asgi.protect(show, guard, *scopes, verify=verify) for path, scopes, verify in setup.routes}
    routes["/open"] = show
    other = asgi.protect(show, guard)

    async def dispatch(scope: asgi.Scope, receive: asgi.Receive, send: asgi.Send) -> None:
        await routes.get(scope["path"], other)(scope, receive, send)

    return serve_asgi(dispatch, lifespan="off")


def by_starlette(setup: Setup) -> AbstractContextManager[str]:
    """Serve it with the decorator of endpoints."""
    latchkey, meeting = starlette_adapter.ResourceServer(*setup.arguments, **setup.settings), Meeting()

    async def show(request: Any) -> JSONResponse:
        return JSONResponse(await meeting.show_async(request.url.path))

    routes = [
        Route(path, latchkey.protect(*scopes, verify=verify)(show), methods=METHODS)
        for path, scopes, verify in setup.routes
    ]
    application = Starlette(routes=[*routes, Route("/open", show)])
    latchkey.init_app(application)
    return serve_asgi(application)


def by_fastapi(setup: Setup) -> AbstractContextManager[str]:
    """Serve it with dependencies of async routes."""
    latchkey, application, meeting = _fastapi(setup)

    def add(route: str, *dependencies: Any) -> None:
        async def show() -> Json:
            return await meeting.show_async(route)

        application.add_api_route(route, show, methods=METHODS, dependencies=dependencies)

    for route, scopes, verify in setup.routes:
        add(route, Depends(latchkey.require_scope(*scopes, verify=verify)))
    add("/open")
    return serve_asgi(application)


def by_fastapi_in_threads(setup: Setup) -> AbstractContextManager[str]:
    """Serve it with dependencies of routes that are plain functions."""
    latchkey, application, meeting = _fastapi(setup)

    def add(route: str, *dependencies: Any) -> None:
        application.add_api_route(route, lambda: meeting.show(route), methods=METHODS, dependencies=dependencies)

    for route, scopes, verify in setup.routes:
        add(route, Depends(latchkey.require_scope(*scopes, verify=verify)))
    add("/open")
    return serve_asgi(application)


def _fastapi(setup: Setup) -> tuple[starlette_adapter.ResourceServer, FastAPI, Meeting]:
    latchkey, application = starlette_adapter.ResourceServer(*setup.arguments, **setup.settings), FastAPI()
    latchkey.init_app(application)
    return latchkey, application, Meeting()


def _sync_views(setup: Setup) -> list[Any]:
    latchkey, meeting = django_adapter.ResourceServer(*setup.arguments, **setup.settings), Meeting()

    def show(request: Any) -> JsonResponse:
        return JsonResponse(meeting.show(request.path))

    views = [(route, latchkey.require_scope(*scopes, verify=verify)(show)) for route, scopes, verify in setup.routes]
    return [path(route[1:], view) for route, view in [*views, ("/open", show)]] + latchkey.urls


def _async_views(setup: Setup) -> list[Any]:
    latchkey, meeting = django_adapter.ResourceServer(*setup.arguments, **setup.settings), Meeting()

    async def show(request: Any) -> JsonResponse:
        return JsonResponse(await meeting.show_async(request.path))

    views = [(route, latchkey.require_scope(*scopes, verify=verify)(show)) for route, scopes, verify in setup.routes]
    return [path(route[1:], view) for route, view in [*views, ("/open", show)]] + latchkey.urls


@contextmanager
def by_django(setup: Setup) -> Iterator[str]:
    """Serve it with the decorator of views, under WSGI."""
    with project(*_sync_views(setup)), serve_wsgi(get_wsgi_application()) as url:
        yield url


@contextmanager
def by_django_async(setup: Setup) -> Iterator[str]:
    """Serve it with the decorator of async views, under ASGI."""
    with project(*_async_views(setup)), serve_asgi(get_asgi_application(), lifespan="off") as url:
        yield url


@contextmanager
def by_drf(setup: Setup) -> Iterator[str]:
    """Serve it with classes of Django REST framework."""
    server, meeting = django_adapter.ResourceServer(*setup.arguments, **setup.settings), Meeting()

    def view(scopes: tuple[str, ...], chosen: Verification | None) -> Any:
        class Authentication(LatchkeyAuthentication):
            """Choose how to verify."""

            resource_server = server
            verify = chosen

        class Shown(APIView):  # type: ignore[misc]
            """Show the credential."""

            authentication_classes = (Authentication,) if scopes else ()
            permission_classes = (HasScope(*scopes),) if scopes else ()

            def get(self, request: Any) -> Response:
                return Response(meeting.show(request.path))

        return Shown.as_view()

    patterns = [path(route[1:], view(scopes, verify)) for route, scopes, verify in [*setup.routes, ("/open", (), None)]]
    with project(*patterns, *server.urls), serve_wsgi(get_wsgi_application()) as url:
        yield url


def by_flask(setup: Setup) -> AbstractContextManager[str]:
    """Serve it with Flask's decorator."""
    latchkey, meeting = flask_adapter.ResourceServer(*setup.arguments, **setup.settings), Meeting()
    application = flask.Flask("api")
    latchkey.init_app(application)

    def show() -> Json:
        return meeting.show(flask.request.path)

    for route, scopes, verify in setup.routes:
        view = latchkey.require_scope(*scopes, verify=verify)(show)
        application.add_url_rule(route, route, view, methods=METHODS, provide_automatic_options=False)
    application.add_url_rule("/open", "open", show)
    return serve_wsgi(application)


ADAPTERS: dict[str, Callable[[Setup], AbstractContextManager[str]]] = {
    "wsgi": by_wsgi,
    "asgi": by_asgi,
    "starlette": by_starlette,
    "fastapi": by_fastapi,
    "fastapi in threads": by_fastapi_in_threads,
    "django": by_django,
    "django async": by_django_async,
    "django rest framework": by_drf,
    "flask": by_flask,
}
