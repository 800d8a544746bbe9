"""Plain HTTP to one server: requests are sent as they are, and responses are not decoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPMessage
from typing import Any
from urllib.parse import urlencode

PATIENCE = 120.0  # seconds for a response, on a busy machine
FORM = "application/x-www-form-urlencoded"
Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A response."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, parsed as JSON."""
        return json.loads(self.body)


class Broken(AssertionError):
    """A response that violates the contract; `seen` is True once this was raised."""

    seen = False

    def __init__(self, text: str) -> None:
        super().__init__(text)
        Broken.seen = True


class Wire:
    """A persistent connection, reopened when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: HTTPConnection | None = None

    def ask(self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """Send a request and return the response; raises Broken for a 5xx."""
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
        """Close the connection."""
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
    """Return the value of an Authorization header; ids and secrets here need no form-encoding."""
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()


def bearer(token: str) -> str:
    """Return the value of an Authorization header."""
    return f"Bearer {token}"


def contents(token: str) -> dict[str, Any]:
    """Return a JWT's claims, unverified."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def _json(value: object) -> bytes:
    return json.dumps(value).encode()
