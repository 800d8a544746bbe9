"""Answer at the issuer's path as well as at the root: behind a proxy that cuts the path off, and one that does not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote

from flask import Flask

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def register(app: Flask, path: str) -> None:
    """Mount the application under `path` too, as in `/auth`; an empty path changes nothing."""
    if path:
        app.wsgi_app = UnderPath(app.wsgi_app, path, app)  # type: ignore[method-assign]


class UnderPath:
    """Moves the issuer's path from PATH_INFO to SCRIPT_NAME where one of our routes follows it."""

    def __init__(self, inner: WSGIApplication, path: str, app: Flask) -> None:
        self._inner = inner
        self._path = unquote(path, "latin-1")  # as WSGI hands it over
        self._app = app
        self._rooms: frozenset[str] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Hand the request on."""
        path: str = environ.get("PATH_INFO", "")
        rest = path.removeprefix(self._path)
        if rest != path and _first(rest) in self._known():
            # in place: what is noted of the request further in is read further out
            environ.update(PATH_INFO=rest, SCRIPT_NAME=environ.get("SCRIPT_NAME", "") + self._path)
        return self._inner(environ, start_response)

    def _known(self) -> frozenset[str]:
        if self._rooms is None:  # the routes are all there by the first request
            self._rooms = frozenset(_first(rule.rule) for rule in self._app.url_map.iter_rules())
        return self._rooms


def _first(path: str) -> str:
    return path[: (path + "/").find("/", 1)]
