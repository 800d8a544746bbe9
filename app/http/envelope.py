"""Add a request id, safe headers, a log line and a duration to every answer; no exception escapes."""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from wsgiref.headers import Headers

from flask import Flask, request

from app.http.issuer_path import decoded_path
from app.operations import logs, metrics
from app.operations.finished_request import TRACEPARENT, FinishedRequest, TraceRequest
from app.operations.paths import FORWARD_AUTH
from app.operations.wsgi import read_body

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

REQUEST_ID = "latchkey.request_id"
ROUTE = "latchkey.route"
CREDENTIAL = "latchkey.credential_id"
KIND = "latchkey.credential_kind"
CLIENT = "latchkey.client_id"
REFUSAL = "latchkey.refusal"  # what the log line says of a refusal
REQUEST_ID_SHAPE = re.compile(r"[A-Za-z0-9._-]{1,19}|[a-z0-9._-]{1,64}|[A-Z0-9._-]{1,64}")
OWN_ID = re.compile(r"[a-z]{2,8}_[0-9a-f]{20,40}")  # of a row, a token or a signing key
CHUNK = 65_536  # bytes
MOST_LEFT = 1_048_576 + CHUNK  # bytes of a body that are read and dropped: more than the largest body accepted
LONGEST_PATH = 300  # characters of it that are logged
DEFAULTS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
ONLY_HTTPS = {"Strict-Transport-Security": "max-age=31536000; includeSubDomains"}  # a year (RFC 6797 §6.1)
FAILURE = json.dumps({"error": "server_error", "error_description": "something went wrong here"}).encode()


def request_id() -> str:
    """Return the id of the request that is being answered."""
    return str(request.environ[REQUEST_ID])


def id_for(environ: WSGIEnvironment) -> str:
    """Return the id that a request offers in X-Request-Id, if it looks like one, else a new id.

    An id of 20 characters or more that mixes upper and lower case is replaced: it might be a secret.
    """
    offered = environ.get("HTTP_X_REQUEST_ID")
    usable = offered and REQUEST_ID_SHAPE.fullmatch(offered) and logs.redact(offered) == offered
    return str(offered) if usable else f"{random.getrandbits(96):024x}"  # unique, but not secret: random is enough


def log_credential(credential_id: str, kind: str | None = None) -> None:
    """Name the credential in the log line of this request, by its id and kind; never pass a secret."""
    request.environ[CREDENTIAL] = credential_id
    request.environ[KIND] = kind


def log_client(client_id: str) -> None:
    """Name the authenticated client in the log line of this request."""
    request.environ[CLIENT] = client_id


def logged_kind() -> str | None:
    """Return the kind of the credential that this request is about, if it is known."""
    kind: str | None = request.environ.get(KIND)
    return kind


def safe_headers(issuer: str) -> dict[str, str]:
    """Return the headers of every answer, for an https issuer with HSTS (RFC 6797 §7.2)."""
    return DEFAULTS | (ONLY_HTTPS if issuer.startswith("https:") else {})


def register(app: Flask, issuer: str, trace: TraceRequest | None) -> None:
    """Put the envelope around the application; `trace` takes each request, if it is traced."""

    @app.before_request
    def note_route() -> None:
        if request.url_rule is not None:
            request.environ[ROUTE] = request.url_rule.rule

    envelope = Envelope(app.wsgi_app, safe_headers(issuer), _Paths(app, issuer), trace)
    app.wsgi_app = envelope  # type: ignore[method-assign]


class _Paths:
    """Paths as they are logged: with the words of our routes and our ids; any other part is replaced by its length."""

    def __init__(self, app: Flask, issuer: str) -> None:
        self._app = app
        self._prefix = urlsplit(issuer).path  # logged as the setting has it
        self._decoded = decoded_path(issuer)
        self._words: frozenset[str] | None = None

    def __call__(self, path: str) -> str:
        """Return the path without what a caller made up, which may be a secret: `/api/v1/users/<45>`."""
        rest = path.removeprefix(self._decoded)
        return self._prefix + self._shorten(rest) if rest.startswith("/") and rest != path else self._shorten(path)

    def _shorten(self, path: str) -> str:
        if self._words is None:  # all routes are registered by the first request
            rules = (word for rule in self._app.url_map.iter_rules() for word in rule.rule.split("/"))
            self._words = frozenset((*rules, *self._prefix.split("/")))
        if path.startswith(FORWARD_AUTH + "/"):  # what a gateway appends is its caller's
            return FORWARD_AUTH
        parts = path[:LONGEST_PATH].split("/")
        return "/".join(p if p in self._words or OWN_ID.fullmatch(p) else f"<{len(p)}>" for p in parts)


class Envelope:
    """A WSGI application around another one."""

    def __init__(
        self,
        inner: WSGIApplication,
        headers: Mapping[str, str],
        shorten: Callable[[str], str],
        trace: TraceRequest | None,
    ) -> None:
        self._inner = inner
        self._headers = headers
        self._shorten = shorten
        self._trace = trace

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request."""
        started = time.perf_counter()
        environ[REQUEST_ID] = id_for(environ)
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")  # the inner applications change both
        answer = _Response()
        try:
            body = read_body(self._inner(environ, answer.start))
        except Exception as error:
            logs.request_log.error("unhandled exception", request_id=environ[REQUEST_ID], exc_info=error)
            answer, body = _failure(), FAILURE
        if answer.status[0] in "45":
            body = answer.without_secrets(body)
        if not _drain_input(environ):
            answer.headers["Connection"] = "close"
        answer.headers["X-Request-Id"] = environ[REQUEST_ID]
        for name, value in self._headers.items():
            answer.headers.setdefault(name, value)
        start_response(answer.status, answer.headers.items())
        status, seconds = int(answer.status[:3]), time.perf_counter() - started
        _record_request(environ, self._shorten(path), status, seconds)
        if self._trace is not None:
            self._trace(_finished(environ, status, seconds))
        return [body]


class _Response:
    """Status and headers of the inner application's answer."""

    def __init__(self, status: str = "500 Internal Server Error", *headers: tuple[str, str]) -> None:
        self.status = status
        self.headers = Headers(list(headers))

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        self.status, self.headers = status, Headers(headers)
        return lambda _data: None

    def without_secrets(self, body: bytes) -> bytes:
        """Redact what looks like a secret in an error, which may echo what was sent; return the body.

        Our own cookies look like secrets and are kept.
        """
        kept = [(name, v if name == "Set-Cookie" else logs.redact(v)) for name, v in self.headers.items()]
        self.headers = Headers(kept)
        redacted = logs.redact(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        if len(redacted) != len(body):
            self.headers["Content-Length"] = str(len(redacted))
        return redacted


def _failure() -> _Response:
    length = str(len(FAILURE))
    return _Response("500 Internal Server Error", ("Content-Type", "application/json"), ("Content-Length", length))


def _drain_input(environ: WSGIEnvironment) -> bool:
    """Read the rest of the request's body; return False when too much of it is left.

    The server drops a connection with an unread body, which a client or a gateway may want to use again.
    """
    if environ.get("CONTENT_LENGTH", "0") in ("", "0") and "HTTP_TRANSFER_ENCODING" not in environ:
        return True
    return any(not environ["wsgi.input"].read(CHUNK) for _ in range(MOST_LEFT // CHUNK))


def _finished(environ: WSGIEnvironment, status: int, seconds: float) -> FinishedRequest:
    method, route = environ.get("REQUEST_METHOD", ""), environ.get(ROUTE, "")
    request_id, kind, traceparent = environ[REQUEST_ID], environ.get(KIND), environ.get(TRACEPARENT)
    return FinishedRequest(time.time(), seconds, method, route, status, request_id, kind, traceparent)


def _record_request(environ: WSGIEnvironment, path: str, status: int, seconds: float) -> None:
    """Write the log line and the metrics of a request."""
    method, route = environ.get("REQUEST_METHOD", ""), environ.get(ROUTE, "")
    metrics.count_request(method, route or "none", status, seconds, environ.get(KIND))
    line = {
        **environ.get(REFUSAL, {}),
        "request_id": environ[REQUEST_ID],
        "method": method if method in metrics.METHODS else "OTHER",
        "path": path,  # never the query
        "route": route,
        "status": status,
        "duration_ms": round(seconds * 1000, 3),
        "remote_address": environ.get("REMOTE_ADDR", ""),
    }
    if CREDENTIAL in environ:
        line["credential_id"] = environ[CREDENTIAL]
    if CLIENT in environ:
        line["client_id"] = environ[CLIENT]
    (logs.request_log.error if status >= 500 else logs.request_log.info)("request", **line)
