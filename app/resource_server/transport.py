"""Run the steps of decisions: send their requests, and fetch documents one at a time, also in the background.

Nothing is decided here. `Transport` is for threads, `AsyncTransport` for an event loop of asyncio.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Mapping
from contextvars import Context
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import httpx

from .configuration import Configuration
from .document import Document
from .forks import renew_after_fork
from .steps import HttpRequest, HttpResponse, Refresh, Step, Steps

T = TypeVar("T")
MAX_BODY = 1_048_576  # bytes of an answer
SHORTEST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds between two rounds of the background refresh
IDENTITY = {"Accept-Encoding": "identity"}  # a compressed answer could be small on the wire and large in memory


class Transport:
    """Run steps in the calling thread. Connections, locks and the refreshing thread belong to one process."""

    def __init__(self, configuration: Configuration, http: httpx.Client | None = None) -> None:
        """Take the client's credentials and the timeout, and a client for all requests instead of an own one."""
        self._configuration = configuration
        self._given = http
        self._tls = None if http else httpx.create_ssl_context()  # one for all processes: each takes 50 ms
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin without connections, locks and thread: at first, and in a forked process."""
        self._http = self._given or httpx.Client(timeout=self._configuration.timeout, verify=self._tls or True)
        self._lock = threading.Lock()
        self._fetching: dict[Document[Any], threading.Lock] = {}
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()

    def run(self, steps: Steps[T]) -> T:
        """Return what the steps return."""
        try:
            step = next(steps)
            while True:
                step = steps.send(self._perform(step))
        except StopIteration as end:
            result: T = end.value
            return result

    def refresh_used(self) -> None:
        """Fetch the documents in use that will soon be old; forget the others."""
        for document, fetching in list(self._fetching.items()):
            if document.is_used():
                with fetching:
                    if document.is_old_for_background():
                        self.run(document.refresh())
            elif not fetching.locked():
                self._fetching.pop(document, None)

    def close(self) -> None:
        """End the connections and the background refresh."""
        self._closed.set()
        if self._given is None:
            self._http.close()

    def _perform(self, step: Step) -> HttpResponse | None:
        if isinstance(step, HttpRequest):
            return self._send(step)
        self._refresh(step)
        return None

    def _refresh(self, step: Refresh) -> None:
        """Fetch a document that is old; the others wait, but not for a server that did not answer before."""
        document = step.document
        document.mark_used()
        fetching = self._fetching_of(document)
        if document.is_due(step.older_than) and fetching.acquire(blocking=not document.can_wait()):
            try:
                if document.is_due(step.older_than):
                    self.run(document.refresh())
            finally:
                fetching.release()

    def _fetching_of(self, document: Document[Any]) -> threading.Lock:
        """Return the lock of a document, and have it refreshed in the background from now on."""
        fetching = self._fetching.get(document)
        if fetching is None:
            with self._lock:
                fetching = self._fetching.setdefault(document, threading.Lock())
        if self._configuration.background and (self._thread is None or not self._thread.is_alive()):
            self._start()
        return fetching

    def _start(self) -> None:
        with self._lock:
            if not self._closed.is_set() and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._keep_fresh, name="latchkey-refresh", daemon=True)
                self._thread.start()

    def _keep_fresh(self) -> None:
        while used := [document for document in list(self._fetching) if document.is_used()]:
            if self._closed.wait(_pause_before(used)):
                return
            self.refresh_used()

    def _send(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer; None if there is none in time, or it is too long."""
        deadline = time.monotonic() + self._configuration.timeout
        try:
            with self._http.stream(**_arguments(request, self._configuration)) as response:
                if _is_compressed(response):
                    return None
                body = bytearray()
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) > MAX_BODY or time.monotonic() > deadline:
                        return None
                return _describe_response(response, bytes(body))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError):
            return None


class _Loop:
    """What belongs to one event loop: connections, locks, the refreshing task."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.fetching: dict[Document[Any], asyncio.Lock] = {}
        self.task: asyncio.Task[None] | None = None


class AsyncTransport:
    """Run steps in the running event loop."""

    def __init__(self, configuration: Configuration, http: httpx.AsyncClient | None = None) -> None:
        """Take the client's credentials and the timeout, and a client for all requests instead of an own one."""
        self._configuration = configuration
        self._given = http
        self._tls = None if http else httpx.create_ssl_context()  # one for all loops: each takes 50 ms
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin without connections, locks and task: at first, and in a forked process."""
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Loop] = WeakKeyDictionary()

    async def run(self, steps: Steps[T]) -> T:
        """Return what the steps return."""
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._perform(step))
        except StopIteration as end:
            result: T = end.value
            return result

    async def refresh_used(self) -> None:
        """Fetch the documents in use that will soon be old; forget the others."""
        loop = self._loop()
        for document, fetching in list(loop.fetching.items()):
            if document.is_used():
                async with fetching:
                    if document.is_old_for_background():
                        await self.run(document.refresh())
            elif not fetching.locked():
                loop.fetching.pop(document, None)

    async def close(self) -> None:
        """End the connections and the background refresh of the running loop."""
        loop = self._loops.pop(asyncio.get_running_loop(), None)
        if loop is not None:
            if loop.task is not None:
                loop.task.cancel()
            if self._given is None:
                await loop.http.aclose()

    def _loop(self) -> _Loop:
        running = asyncio.get_running_loop()
        loop = self._loops.get(running)
        if loop is None:
            for ended in [one for one in self._loops if one.is_closed()]:
                del self._loops[ended]  # its task refers to it, so that it would stay for ever
            client = self._given or httpx.AsyncClient(timeout=self._configuration.timeout, verify=self._tls or True)
            loop = self._loops[running] = _Loop(client)
        return loop

    async def _perform(self, step: Step) -> HttpResponse | None:
        if isinstance(step, HttpRequest):
            return await self._send(step)
        await self._refresh(step)
        return None

    async def _refresh(self, step: Refresh) -> None:
        """Fetch a document that is old; the others wait, but not for a server that did not answer before."""
        document, loop = step.document, self._loop()
        document.mark_used()
        fetching = loop.fetching.setdefault(document, asyncio.Lock())
        if self._configuration.background and (loop.task is None or loop.task.done()):
            loop.task = Context().run(asyncio.create_task, self._keep_fresh(loop))  # not in that of a request
        if not document.is_due(step.older_than) or (fetching.locked() and document.can_wait()):
            return
        async with fetching:
            if document.is_due(step.older_than):
                await self.run(document.refresh())

    async def _keep_fresh(self, loop: _Loop) -> None:
        while used := [document for document in list(loop.fetching) if document.is_used()]:
            await asyncio.sleep(_pause_before(used))
            await self.refresh_used()

    async def _send(self, request: HttpRequest) -> HttpResponse | None:
        """Return the answer; None if there is none in time, or it is too long."""
        try:
            return await asyncio.wait_for(self._receive(request), self._configuration.timeout)
        except asyncio.TimeoutError:  # noqa: UP041 - another class in Python 3.10
            return None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, ssl.SSLError, OSError):
            return None

    async def _receive(self, request: HttpRequest) -> HttpResponse | None:
        async with self._loop().http.stream(**_arguments(request, self._configuration)) as response:
            if _is_compressed(response):
                return None
            body = bytearray()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_BODY:
                    return None
            return _describe_response(response, bytes(body))


def _arguments(request: HttpRequest, configuration: Configuration) -> dict[str, Any]:
    """Return the arguments of httpx for a request; only a form is sent as the API's client."""
    headers: Mapping[str, str] = {**IDENTITY, **request.headers}
    url = configuration.locate(request.url)
    if request.form is None:
        return {"method": "GET", "url": url, "headers": headers}
    client = (configuration.client_id, configuration.client_secret)
    return {"method": "POST", "url": url, "headers": headers, "data": request.form, "auth": client}


def _is_compressed(response: httpx.Response) -> bool:
    """Return whether a response is compressed, although that was not asked for."""
    return bool(response.headers.get("Content-Encoding", "identity") != "identity")


def _describe_response(response: httpx.Response, body: bytes) -> HttpResponse:
    content_type, etag = response.headers.get("Content-Type", ""), response.headers.get("ETag", "")
    usable = etag if etag.isascii() and etag.isprintable() else ""  # it is sent back as a header
    return HttpResponse(response.status_code, body, content_type, usable)


def _pause_before(used: list[Document[Any]]) -> float:
    """Return the seconds until the first of them is to be fetched; soon, as a list may come into use meanwhile."""
    return max(SHORTEST_PAUSE, min(LONGEST_PAUSE, *(document.refresh_in() for document in used)))
