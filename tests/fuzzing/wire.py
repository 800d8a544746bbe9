"""Plain HTTP to one server: nothing is encoded, decoded or repaired that we did not ask for."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import Any
from urllib.parse import urlencode

PATIENCE = 120.0  # seconds for an answer, on a machine that has other things to do
FORM = "application/x-www-form-urlencoded"
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """Read the body."""
        return json.loads(self.body)


class Broken(AssertionError):
    """An answer that no server should give; `seen` tells that there was one."""

    seen = False

    def __init__(self, text: str) -> None:
        super().__init__(text)
        Broken.seen = True


class Wire:
    """A kept-alive connection, made anew when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: HTTPConnection | None = None

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """Send a request and give the answer; raises Broken on a 5xx."""
        try:
            answer = self._ask(method, target, headers or {}, body)
        except (HTTPException, ConnectionError):
            self.close()
            answer = self._ask(method, target, headers or {}, body)
        if answer.status >= 500:
            raise Broken(f"{method} {target} → {answer.status} {answer.body[:500]!r}")
        return answer

    def form(self, path: str, pairs: Pairs, authorization: str | None = None) -> Answer:
        """POST a form."""
        headers = {"Content-Type": FORM} | ({"Authorization": authorization} if authorization else {})
        return self.ask("POST", path, headers, urlencode(pairs).encode())

    def api(self, method: str, path: str, authorization: str, body: object = None) -> Answer:
        """Call the management API."""
        headers = {"Authorization": authorization}
        if body is None:
            return self.ask(method, f"/api/v1{path}", headers)
        return self.ask(method, f"/api/v1{path}", headers | {"Content-Type": "application/json"}, _json(body))

    def close(self) -> None:
        """Let go of the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        self._connection.request(method, target, body if body or method not in ("GET", "HEAD") else None, dict(headers))
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def basic(name: str, secret: str) -> str:
    """Give the header; ours need no form-encoding."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def bearer(token: str) -> str:
    """Give the header."""
    return f"Bearer {token}"


def contents(token: str) -> dict[str, Any]:
    """Give a token's claims, unverified."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
