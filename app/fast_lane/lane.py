"""The lane itself: a WSGI application before another one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar, Protocol
from urllib.parse import urlsplit

from app.fast_lane.memory import Answer
from app.fast_lane.shape import is_common
from app.http.envelope import id_for, safe_headers
from app.http.issuer_path import FORWARDED_PREFIX, decoded_path
from app.http.request_target import FORWARD_AUTH
from app.operations import logs
from app.operations.ledger import Entry, Place, ledger

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class Road(Protocol):
    """One route: it answers what is common, with 200, and nothing else."""

    method: ClassVar[str]

    def __call__(self, environ: WSGIEnvironment) -> Answer | None:
        """Give the answer; None leaves the request, with its body, to the application behind."""


class Lane:
    """Takes what its roads answer; a failure of theirs is the next application's to speak of."""

    def __init__(self, inner: WSGIApplication, roads: Mapping[str, Road], issuer: str) -> None:
        self._inner = inner
        self._tail = [item for item in safe_headers(issuer).items() if item[0] != "Cache-Control"]
        prefixes = {"": "", decoded_path(issuer): urlsplit(issuer).path}  # as WSGI has it, and as the log does
        self._roads = {
            prefix + route: (road, Place(road.method, logged + route, route), prefix != "")
            for route, road in roads.items()
            for prefix, logged in prefixes.items()
        }
        self._below = tuple((f"{path}/", found) for path, found in self._roads.items() if path.endswith(FORWARD_AUTH))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request, or hand it on."""
        answer = self.answer(environ, start_response)
        return self._inner(environ, start_response) if answer is None else [answer]

    def may_take(self, environ: WSGIEnvironment) -> bool:
        """Return whether the path is one whose requests `answer` may answer."""
        path = environ["PATH_INFO"]
        return path in self._roads or self._found_below(path) is not None

    def answer(self, environ: WSGIEnvironment, start_response: StartResponse) -> bytes | None:
        """Return the body of the answer, None when the request is not for the lane."""
        started = time.perf_counter()
        path = environ["PATH_INFO"]
        found = self._roads.get(path) or self._found_below(path)
        if found is None or found[1].method != environ["REQUEST_METHOD"]:
            return None
        if found[2] and FORWARDED_PREFIX in environ:  # the path may not be the issuer's
            return None
        answer = _taken(found[0], environ)
        if answer is None:
            return None
        request_id = id_for(environ)
        start_response("200 OK", [*answer.head, ("X-Request-Id", request_id), *self._tail])
        seconds, peer = time.perf_counter() - started, environ.get("REMOTE_ADDR", "")
        whose = answer.credential_id, answer.adds, answer.client_id
        ledger.enter(Entry(time.time(), request_id, found[1], seconds, peer, *whose))
        return answer.body

    def _found_below(self, path: str) -> tuple[Road, Place, bool] | None:
        """Return forward-auth's road for a path below it, to which Envoy appends the caller's."""
        return next((found for start, found in self._below if path.startswith(start)), None)


def _taken(road: Road, environ: WSGIEnvironment) -> Answer | None:
    try:
        return road(environ) if is_common(environ) else None
    except Exception as error:
        logs.request_log.warning("the fast lane gives way", exc_info=error)
        return None
