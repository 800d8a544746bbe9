"""Serve an application of this process over real HTTP: WSGI by a thread a request, ASGI by one event loop."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from werkzeug.serving import WSGIRequestHandler, make_server

from tests.ports import free_port

PATIENCE = 30  # seconds
POLL = 0.02  # seconds after which a server sees that it is to stop


class _Silent(WSGIRequestHandler):
    """Serve without a line for each request."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write nothing."""


@contextmanager
def serve_wsgi(application: Any) -> Iterator[str]:
    """Serve a WSGI application; yield its URL."""
    server = make_server("127.0.0.1", free_port(), application, threaded=True, request_handler=_Silent)
    thread = threading.Thread(target=server.serve_forever, args=(POLL,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(PATIENCE)
    server.server_close()


class _Server(uvicorn.Server):
    """Report when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and report it."""
        await super().startup(sockets)
        self.listening.set()


@contextmanager
def serve_asgi(application: Callable[..., Any], **options: Any) -> Iterator[str]:
    """Serve an ASGI application, by options of uvicorn; yield its URL."""
    port = free_port()
    server = _Server(uvicorn.Config(application, port=port, log_level="error", ws="none", **options))
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
    thread.start()
    assert server.listening.wait(PATIENCE)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(PATIENCE)
