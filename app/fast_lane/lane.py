"""The lane: a WSGI application around another one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlsplit

from app.fast_lane.memory import Answer
from app.fast_lane.shape import is_common
from app.http.envelope import id_for, safe_headers
from app.http.issuer_path import FORWARDED_PREFIX, decoded_path
from app.operations import logs
from app.operations.finished_request import TRACEPARENT
from app.operations.paths import FORWARD_AUTH
from app.operations.request_log import Entry, Place, RequestLog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class FastRoute(Protocol):
    """One route: it answers requests of the common shape, only with 200."""

    method: ClassVar[str]

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Return the answer; None leaves the request, with its body, to the inner application."""


class Lane:
    """Answers the requests that its routes answer; passes every other one on, also when a route fails."""

    def __init__(
        self, inner: WSGIApplication, routes: Mapping[str, FastRoute], issuer: str, request_log: RequestLog
    ) -> None:
        self._inner = inner
        self._request_log = request_log
        self._is_traced = request_log.trace is not None
        self._tail = [item for item in safe_headers(issuer).items() if item[0] != "Cache-Control"]
        prefixes = {"": "", decoded_path(issuer): urlsplit(issuer).path}  # as in PATH_INFO, and as in the log
        self._routes = {
            prefix + path: (route, Place(route.method, logged + path, path), prefix != "")
            for path, route in routes.items()
            for prefix, logged in prefixes.items()
        }
        self._below = tuple((f"{path}/", found) for path, found in self._routes.items() if path.endswith(FORWARD_AUTH))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or pass it on."""
        answer = self.answer(environ, start_response)
        return self._inner(environ, start_response) if answer is None else [answer]

    def may_take(self, environ: WSGIEnvironment) -> bool:
        """Return whether the path is one whose requests `answer` may answer."""
        path = environ["PATH_INFO"]
        return path in self._routes or self._found_below(path) is not None

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> bytes | None:
        """Return the body of the answer, None when the request is not for the lane."""
        started = time.perf_counter()
        path = environ["PATH_INFO"]
        found = self._routes.get(path) or self._found_below(path)
        if found is None or found[1].method != environ["REQUEST_METHOD"]:
            return None
        if found[2] and FORWARDED_PREFIX in environ:  # the path may not be the issuer's
            return None
        answer = _call_route(found[0], environ)
        if answer is None:
            return None
        request_id = id_for(environ)
        start_response("200 OK", [*answer.head, ("X-Request-Id", request_id), *self._tail])
        seconds, peer = time.perf_counter() - started, environ.get("REMOTE_ADDR", "")
        entry = Entry(
            time.time(),
            request_id,
            found[1],
            seconds,
            peer,
            answer.credential_id,
            answer.adds,
            answer.client_id,
            answer.refusal,
        )
        if self._is_traced:
            entry = entry._replace(kind=answer.kind, traceparent=environ.get(TRACEPARENT))
        self._request_log.add(entry)
        return answer.body

    def _found_below(self, path: str) -> tuple[FastRoute, Place, bool] | None:
        """Return forward-auth's route for a path below it: Envoy appends its caller's path."""
        return next((found for start, found in self._below if path.startswith(start)), None)


def _call_route(route: FastRoute, environ: WSGIEnvironment) -> Answer | None:
    try:
        return route(environ) if is_common(environ) else None
    except Exception as error:
        logs.request_log.warning("the fast lane gives way", exc_info=error)
        return None
