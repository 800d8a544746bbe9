"""A little OpenID provider on loopback: discovery and keys, as a CI system or a cluster publishes them."""

import json
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.spec.client_keys import Key, new_key


class OidcIssuer:
    """Publishes the keys of `keys`; `answers` overrides what a path answers, `asked` counts the requests of each."""

    def __init__(self, *keys: Key) -> None:
        self.keys = list(keys) or [new_key("RS256")]
        self.answers: dict[str, bytes] = {}
        self.asked: dict[str, int] = {}
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked[self.path] = issuer.asked.get(self.path, 0) + 1
                body = issuer.body(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                with suppress(OSError):  # who has read enough hangs up
                    self.wfile.write(body or b"")

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def body(self, path: str) -> bytes | None:
        """Return what a path answers, None for what is not there."""
        if path in self.answers:
            return self.answers[path]
        documents: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
            "/keys": {"keys": [key.public for key in self.keys]},
        }
        return json.dumps(documents[path]).encode() if path in documents else None

    def token(self, claims: dict[str, Any], **header: Any) -> str:
        """Sign with the first key; what is None is left out."""
        return self.keys[0].sign({name: value for name, value in claims.items() if value is not None}, **header)

    def close(self) -> None:
        """Go down."""
        self._server.shutdown()
        self._server.server_close()
