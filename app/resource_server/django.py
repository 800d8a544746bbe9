"""Protect the views of a Django application, sync and async ones."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast
from urllib.parse import unquote

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.core.signals import setting_changed
from django.http import HttpRequest, JsonResponse
from django.urls import URLPattern, path
from django.utils.encoding import escape_uri_path
from django.views.decorators.http import require_safe

from . import asgi, wsgi
from .configuration import Configuration, Verification
from .credential import Credential
from .current import current_credential, use_credential
from .errors import Refusal
from .guard import AsyncGuard, Guard
from .metadata import metadata_path, protected_resource_metadata
from .request import Request, keep_request

View = TypeVar("View", bound=Callable[..., Any])
SETTING = "LATCHKEY"
_making = threading.Lock()
__all__ = ["ResourceServer", "configured_server", "current_credential"]


class ResourceServer:
    """Protect the views of one API resource; the arguments are the fields of `Configuration`."""

    def __init__(
        self, issuer: str, resource: str, client_id: str = "", client_secret: str = "", **further: Any
    ) -> None:
        """Take the server, this API's identifier, and a client that serves it."""
        self.configuration = Configuration(issuer, resource, client_id, client_secret, **further)
        self.guard = Guard(self.configuration)
        self.async_guard = AsyncGuard(self.configuration)

    @property
    def urls(self) -> list[URLPattern]:
        """Return the pattern of the resource's metadata (RFC 9728), for the `urlpatterns` of the root."""
        document = protected_resource_metadata(self.configuration)
        view = require_safe(lambda request: JsonResponse(document))
        return [path(unquote(metadata_path(self.configuration)).lstrip("/"), view)]

    def require_scope(self, *scopes: str, verify: Verification | None = None) -> Callable[[View], View]:
        """Return a decorator of views that demands all of these scopes."""
        chosen = self.configuration.choose_verification(verify)

        def decorate(view: View) -> View:
            kind = self._protect_async if iscoroutinefunction(view) else self._protect
            protected: Any = functools.wraps(view)(kind(view, scopes, chosen))
            # A page of another site cannot make a browser send the credential, which is never in a cookie.
            protected.csrf_exempt = True
            return cast(View, protected)

        return decorate

    def authenticate(
        self, request: HttpRequest, scopes: tuple[str, ...] = (), verify: Verification | None = None
    ) -> Credential:
        """Return the credential of a request that has all the scopes; raise a Refusal."""
        return self.guard.authenticate(self._keep_request(request), scopes, verify)

    def _keep_request(self, request: HttpRequest) -> Request:
        return keep_request(request.__dict__, read_request(request, self.configuration))

    def _protect(self, view: Callable[..., Any], scopes: tuple[str, ...], verify: Verification) -> Callable[..., Any]:
        def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                credential = self.authenticate(request, scopes, verify)
            except Refusal as refusal:
                return _respond(refusal)
            with use_credential(credential):
                return view(request, *args, **kwargs)

        return protected

    def _protect_async(
        self, view: Callable[..., Any], scopes: tuple[str, ...], verify: Verification
    ) -> Callable[..., Any]:
        async def protected(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            try:
                if isinstance(request, ASGIRequest):
                    credential = await self.async_guard.authenticate(self._keep_request(request), scopes, verify)
                else:  # under WSGI a view has a thread and an event loop to itself: there is nothing to hold up
                    credential = self.authenticate(request, scopes, verify)
            except Refusal as refusal:
                return _respond(refusal)
            with use_credential(credential):
                return await view(request, *args, **kwargs)

        return protected


def configured_server() -> ResourceServer:
    """Return the one of the setting LATCHKEY, a dict of the arguments of `ResourceServer`."""
    with _making:  # two would each accept the same DPoP proof
        return _make_server()


@functools.cache
def _make_server() -> ResourceServer:
    return ResourceServer(**getattr(settings, SETTING))


def read_request(request: HttpRequest, configuration: Configuration) -> Request:
    """Return the request as a guard sees it; SECURE_PROXY_SSL_HEADER and USE_X_FORWARDED_HOST set its URL."""
    url = f"{request.scheme}://{request.get_host()}{escape_uri_path(request.path)}"
    found = wsgi.read_request(request.META, configuration, url)
    if isinstance(request, ASGIRequest) and not configuration.certificate_header:
        found = replace(found, certificate=asgi.read_client_certificate(request.scope))
    return found


def _respond(refusal: Refusal) -> JsonResponse:
    """Return the response of a refusal; several challenges are joined, since a header has one value in Django."""
    response = JsonResponse(refusal.body, status=refusal.status)
    for name in dict(refusal.headers):
        response.headers[name] = ", ".join(value for other, value in refusal.headers if other == name)
    return response


def _forget_server(*, setting: str, **_: Any) -> None:
    """Read the setting again after a test changed it."""
    if setting == SETTING:
        _make_server.cache_clear()


setting_changed.connect(_forget_server)
