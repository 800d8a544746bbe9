"""Where an app waits for its user: a listener on this computer that answers a callback with a redirect to a page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from tests.ports import free_port


class _Listener(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Redirect a callback to a page on another host name, as apps do that take the code out of the address."""
        port, query = self.connection.getsockname()[1], self.path.partition("?")[2]
        self.send_response(303 if self.path.startswith("/callback") else 200)
        self.send_header("Location", f"http://localhost:{port}/welcome?{query}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def listening() -> Iterator[str]:
    """Return the address of a listener."""
    server = ThreadingHTTPServer(("127.0.0.1", free_port()), _Listener)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
