"""A receiver of webhooks on 127.0.0.1 that answers as a test wants, and remembers what it was sent."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LARGE = b"x" * 1_000_000
RESET, HANG = "reset", "hang"


@dataclass(frozen=True)
class Sent:
    """A request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it answers: a status, with a large body or a location if they are set, or RESET or HANG."""

    port: int
    answers: int | str = 204
    body: bytes = b""
    location: str = ""
    sent: list[Sent] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hook"

    def handle(self, handler: Any) -> None:
        """Remember a request and answer it."""
        length = int(handler.headers.get("Content-Length") or 0)
        self.sent.append(Sent(handler.path, dict(handler.headers), handler.rfile.read(length)))
        if self.answers == HANG:
            self.release.wait(30)
            return
        if self.answers == RESET:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            handler.connection.close()
            return
        handler.send_response(int(self.answers))
        if self.location:
            handler.send_header("Location", self.location)
        handler.send_header("Content-Length", str(len(self.body)))
        handler.end_headers()
        handler.wfile.write(self.body)


@contextmanager
def receiving(certificate: tuple[Path, Path] | None = None) -> Iterator[Receiver]:
    """Run a receiver until the block ends; with a certificate and its key, by https."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            with suppress(OSError, ValueError):
                receiver.handle(self)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_address[1], scheme="https" if certificate else "http")
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
