"""A guard of threads and one of an event loop, called alike: what holds for one holds for the other."""

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

import httpx

from app.resource_server import AsyncGuard, Configuration, Credential, Guard, Refusal, Request
from tests.resource_server.fake_server import ISSUER, RESOURCE, FakeServer

T = TypeVar("T")
FLAVOURS = ("threads", "event loop")


class Caller(Protocol):
    """Call a guard."""

    def authenticate(self, request: Request, *scopes: str) -> Credential:
        """Return the credential of the request, or raise the refusal."""

    def refresh_used(self) -> None:
        """Do one round of the background refresh."""


class _Threads:
    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def authenticate(self, request: Request, *scopes: str) -> Credential:
        return self._guard.authenticate(request, scopes)

    def refresh_used(self) -> None:
        self._guard._transport.refresh_used()


class _EventLoop:
    def __init__(self, guard: AsyncGuard, runner: asyncio.Runner) -> None:
        self._guard = guard
        self._runner = runner

    def authenticate(self, request: Request, *scopes: str) -> Credential:
        return self._run(self._guard.authenticate(request, scopes))

    def refresh_used(self) -> None:
        self._run(self._guard._transport.refresh_used())

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(coroutine)


def configure(server: FakeServer, **settings: Any) -> Configuration:
    """Return a configuration for the server, without a background refresh and with local verification."""
    chosen: dict[str, Any] = {"verify": "local", "background": False, "now": server.clock}
    return Configuration(ISSUER, RESOURCE, **(chosen | settings))


@contextmanager
def calling(flavour: str, server: FakeServer, **settings: Any) -> Iterator[Caller]:
    """Make a guard of a flavour whose requests the server answers."""
    configuration, transport = configure(server, **settings), httpx.MockTransport(server)
    if flavour == "threads":
        yield _Threads(Guard(configuration, httpx.Client(transport=transport)))
    else:
        with asyncio.Runner() as runner:
            yield _EventLoop(AsyncGuard(configuration, httpx.AsyncClient(transport=transport)), runner)


def bearer(token: str, **named: Any) -> Request:
    """Return a request with a token."""
    return Request("GET", f"{RESOURCE}/orders", (f"Bearer {token}",), **named)


def answer(caller: Caller, token: str, *scopes: str) -> int:
    """Return the status of the answer to a request with a token."""
    try:
        caller.authenticate(bearer(token), *scopes)
    except Refusal as refusal:
        return refusal.status
    return 200
