"""Answer at the issuer's path as well as at the root: behind a proxy that removes the path, and one that does not.

Either way, every link on a page begins with the issuer's path. A proxy that removes the path says so by
`X-Forwarded-Prefix`; a path that begins with the prefix once more is then not found, so that no rule of the proxy is
bypassed by repeating the prefix.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from flask import Flask, request

from app.settings.addresses import is_trusted_proxy
from app.settings.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from werkzeug.routing import MapAdapter

FORWARDED_PREFIX = "HTTP_X_FORWARDED_PREFIX"
LONGEST_PREFIX = 1000  # characters
UNESCAPED = "/!$&'()*+,;=:@~"  # beside letters, digits and -._ (RFC 3986 §3.3)


def decoded_path(issuer: str) -> str:
    """Return the issuer's path as WSGI has paths in PATH_INFO: decoded, each byte a character (PEP 3333)."""
    return unquote(urlsplit(issuer).path, "latin-1")


def encoded_path(decoded: str) -> str:
    """Return a path of WSGI in the encoding of a URL."""
    return quote(decoded.encode("latin-1"), UNESCAPED)


def encoded_root() -> str:
    """Return the prefix of every link: the issuer's path, encoded, where Flask's `script_root` is decoded."""
    return encoded_path(request.environ.get("SCRIPT_NAME", ""))


def register(app: Flask, settings: Settings) -> None:
    """Mount the application under the issuer's path too, as in `/auth`; an empty path changes nothing."""
    if settings.issuer_path:
        app.wsgi_app = UnderPath(app.wsgi_app, settings, app)  # type: ignore[method-assign]
        _encode_links(app)


def _encode_links(app: Flask) -> None:
    """Encode the issuer's path in the links of `url_for`, where Werkzeug leaves it decoded."""
    bind = app.url_map.bind_to_environ

    def bind_encoded(environ: WSGIEnvironment, *more: Any, **options: Any) -> MapAdapter:
        adapter = bind(environ, *more, **options)
        adapter.script_name = encoded_path(environ.get("SCRIPT_NAME", "")).rstrip("/") + "/"
        return adapter

    app.url_map.bind_to_environ = bind_encoded  # type: ignore[method-assign,assignment]


class UnderPath:
    """Make the issuer's path the SCRIPT_NAME, and remove it from PATH_INFO where one of our routes follows it."""

    def __init__(self, inner: WSGIApplication, settings: Settings, app: Flask) -> None:
        self._inner = inner
        self._path = decoded_path(settings.issuer)
        self._proxies = settings.trusted_proxies
        self._app = app
        self._first_segments: frozenset[str] | None = None

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on."""
        path: str = environ.get("PATH_INFO", "")
        rest = path.removeprefix(self._path)
        if rest == path or _first_segment(rest) not in self._routed_segments() or self._is_removed(environ):
            rest = path
        # in place: the outer applications read what the inner ones note in it
        environ.update(PATH_INFO=rest, SCRIPT_NAME=environ.get("SCRIPT_NAME", "") + self._path)
        return self._inner(environ, start_response)

    def _is_removed(self, environ: WSGIEnvironment) -> bool:
        """Return whether a trusted proxy says that it removed the issuer's path; any other prefix is ignored."""
        prefix: str = environ.get(FORWARDED_PREFIX, "")[-LONGEST_PREFIX:]  # the proxy appends to its caller's
        return self._path in _prefixes(prefix) and is_trusted_proxy(environ.get("REMOTE_ADDR", ""), self._proxies)

    def _routed_segments(self) -> frozenset[str]:
        if self._first_segments is None:  # all routes are registered by the first request
            self._first_segments = frozenset(_first_segment(rule.rule) for rule in self._app.url_map.iter_rules())
        return self._first_segments


def _prefixes(header: str) -> Iterable[str]:
    """Return what the last proxy may have removed, then the last two, and so on: each in a row appends its own."""
    removed = ""
    for prefix in reversed(header.split(",")):
        removed = unquote(prefix.strip().rstrip("/"), "latin-1") + removed
        yield removed


def _first_segment(path: str) -> str:
    return path[: (path + "/").find("/", 1)]
