"""One reading of the request line: refuse a path or a method that a proxy in front may read differently.

WSGI hands over the decoded path alone (PEP 3333). Where a server also hands over the target as it was sent
(REQUEST_URI or RAW_URI), a needless escape such as `/%6detrics` is refused too; granian 2 does not, so rules of a proxy
must compare decoded paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Flask, abort, request
from werkzeug.exceptions import MethodNotAllowed

from app.http.issuer_path import decoded_path, encoded_path
from app.operations.paths import FORWARD_AUTH
from app.operations.wsgi import closing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BELOW = FORWARD_AUTH + "/"
SEGMENTS = re.compile(r"(?:/[A-Za-z0-9._~!$&'()*+,=:@-]+)+")  # no route needs another character, or an escape
CHECKED_BY_ROUTE = re.compile(  # what follows is checked there: a permission's name, the issuer's path
    r"/api/v1/resources/[A-Za-z0-9_-]{1,64}/permissions/"
    r"|/\.well-known/(?:oauth-authorization-server|openid-configuration)/"
)
ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
BODY_HEADERS = ("CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT")  # copied from the caller


def register(app: Flask, issuer: str) -> None:
    """Refuse other forms of a path or method, and prepare requests to forward-auth."""
    prefixes = _prefixes(issuer)

    @app.before_request
    def refuse_other_forms() -> None:
        path = request.environ["PATH_INFO"]
        if not is_normal(path) or not _is_sent_as(path, prefixes):
            abort(404)
        rule, method = request.url_rule, request.environ["REQUEST_METHOD"]
        if rule is not None and rule.methods is not None and method not in rule.methods:
            raise MethodNotAllowed(sorted(rule.methods))  # RFC 9110 §9.1: methods are case-sensitive, not to Werkzeug

    app.wsgi_app = InputFilter(app.wsgi_app)  # type: ignore[method-assign]


def is_normal(path: str) -> bool:
    """Return whether a decoded path is in the one form that is routed; `path` is text as in PATH_INFO."""
    if path == "/":
        return True
    fixed = CHECKED_BY_ROUTE.match(path)
    checked = fixed[0][:-1] if fixed else path
    dotted = "./" in checked or checked.endswith(".")  # a segment is `.`, `..`, or ends with what Windows drops
    return SEGMENTS.fullmatch(checked) is not None and not dotted


def _prefixes(issuer: str) -> frozenset[str]:
    """Return what may precede our paths in the target: nothing, or the issuer's path as configured or as linked."""
    return frozenset(("", _in_capitals(urlsplit(issuer).path), encoded_path(decoded_path(issuer))))


def _in_capitals(target: str) -> str:
    """Return the target with each escape in capitals: both spellings are one (RFC 3986 §6.2.2.1)."""
    return ESCAPE.sub(lambda escape: escape[0].upper(), target)


def _is_sent_as(path: str, prefixes: frozenset[str]) -> bool:
    """Return whether the target as sent, where it is known, spells the checked part of the path without an escape."""
    environ = request.environ
    sent: str = environ.get("REQUEST_URI") or environ.get("RAW_URI") or ""
    if not sent:
        return True
    sent = sent.partition("?")[0]
    if not sent.startswith("/"):
        sent = "/" + sent.partition("://")[2].partition("/")[2]  # RFC 9112 §3.2.2: absolute-form
    fixed = CHECKED_BY_ROUTE.match(path)
    if fixed or path == FORWARD_AUTH:
        begin = fixed[0] if fixed else FORWARD_AUTH
        return _in_capitals(sent).startswith(tuple(prefix + begin for prefix in prefixes))
    return sent.endswith(path) and _in_capitals(sent.removesuffix(path)) in prefixes


class InputFilter:
    """Drop Upgrade headers everywhere, and the request body at forward-auth."""

    def __init__(self, inner: WSGIApplication) -> None:
        self._inner = inner

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Pass the request on."""
        environ.pop("HTTP_UPGRADE", None)  # RFC 9110 §7.8: it may be ignored; Werkzeug routes a WebSocket elsewhere
        path = environ["PATH_INFO"]
        if path != FORWARD_AUTH and not path.startswith(BELOW):
            return self._inner(environ, start_response)
        return self._inner(environ, closing(start_response) if _hide_body(environ) else start_response)


def _hide_body(environ: WSGIEnvironment) -> bool:
    """Hide the body of a request to forward-auth: a gateway often announces one without sending it.

    Return whether one was announced: the server then drops the connection, unless all of it has arrived by chance.
    """
    announced = environ.get("CONTENT_LENGTH", "").strip("0") != "" or "HTTP_TRANSFER_ENCODING" in environ
    for name in BODY_HEADERS:
        environ.pop(name, None)
    environ["wsgi.input"] = BytesIO()
    environ["HTTP_HOST"] = "localhost"  # the caller's may be malformed, and forward-auth does not use it
    environ["PATH_INFO"] = FORWARD_AUTH  # Envoy appends the caller's path
    return announced
