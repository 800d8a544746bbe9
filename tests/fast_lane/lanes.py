"""Two applications over one database, with and without the fast lane, that get the same requests."""

import base64
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from prometheus_client import REGISTRY, Counter, Histogram
from prometheus_client.values import MutexValue

from app import create_app
from app.fast_lane.lane import Lane
from app.operations import logs
from app.operations.finished_request import FinishedRequest
from tests.oauth.wire import Wire, start_wire, stop_wire

FORM = "application/x-www-form-urlencoded"
CHANGING = ("duration_ms", "time")  # members of a log line
Headers = dict[str, str]
_names: dict[MutexValue, str | None] = {}  # of what our own metrics count; None for anything else


@dataclass(frozen=True)
class Asked:
    """A request as a WSGI server passes it; `headers` are named as in WSGI, without HTTP_."""

    path: str
    method: str = "POST"
    body: bytes = b""
    query: str = ""
    headers: Headers = field(default_factory=dict)
    environ: dict[str, Any] = field(default_factory=dict)

    def with_headers(self, **headers: str) -> "Asked":
        return replace(self, headers=self.headers | headers)

    def with_environ(self, **environ: Any) -> "Asked":
        return replace(self, environ=self.environ | environ)

    def wsgi(self) -> dict[str, Any]:
        """Return a fresh WSGI environment."""
        made: dict[str, Any] = {
            "REQUEST_METHOD": self.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": self.path,
            "QUERY_STRING": self.query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8080",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(self.body),
            "wsgi.input_terminated": True,
            "wsgi.errors": BytesIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "HTTP_HOST": "127.0.0.1:8080",
            "HTTP_X_REQUEST_ID": "the-same",
        }
        if self.method == "POST":
            made |= {"CONTENT_TYPE": FORM, "CONTENT_LENGTH": str(len(self.body))}
        made |= {f"HTTP_{name}": value for name, value in self.headers.items()} | self.environ
        return {name: value for name, value in made.items() if value is not None}


@dataclass
class Reply:
    """The answer, its log lines, the metrics that changed and what is traced."""

    status: str
    headers: list[tuple[str, str]]
    body: Any
    lines: list[dict[str, Any]]
    counted: dict[str, float]
    spans: list[FinishedRequest]
    taken: bool = field(compare=False)


class Lanes:
    """Send a request to `fast` or `plain`, or to `both` and compare."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.wire: Wire = start_wire(folder, **settings)
        self.core = self.wire.core
        plain = self.core.actions.settings.model_copy(update={"fast_lane": False})
        self._fast = self.wire.http.application.wsgi_app
        self.spans: list[FinishedRequest] = []  # of the last request
        without = create_app(plain, self.core.clock, trace=self.spans.append)
        self._plain, self._plain_actions = without.wsgi_app, without.actions
        assert isinstance(self._fast, Lane) and not isinstance(self._plain, Lane)
        self._inner, self._fast._inner = self._fast._inner, self._behind
        envelope: Any = self._inner
        envelope._trace = self._fast._request_log.trace = self.spans.append
        self._fast._is_traced = True
        self._taken = True
        self.lines: list[str] = []  # of the last request

    def close(self) -> None:
        """Close the connections of both."""
        self._plain_actions.usage.stop()
        self._plain_actions.store.dispose()
        stop_wire(self.wire)

    def _behind(self, environ: Any, start_response: Any) -> Any:
        self._taken = False
        return self._inner(environ, start_response)

    def fast(self, asked: Asked) -> Reply:
        """Send a request to the application with the lane; `taken`: the lane answered by itself."""
        self._taken = True
        return self._ask(self._fast, asked)

    def plain(self, asked: Asked) -> Reply:
        """Send a request to the application without the lane."""
        return self._ask(self._plain, asked)

    def both(self, asked: Asked) -> Reply:
        """Send a request to both, to the fast one twice so that the cache answers too; assert that nothing differs."""
        plain = self.plain(asked)
        first, again = self.fast(asked), self.fast(asked)
        assert first == plain
        assert again == plain
        assert first.taken == again.taken
        return again

    def raw(self, asked: Asked) -> bytes:
        """Return the body of the fast one as it is."""
        return b"".join(self._fast(asked.wsgi(), lambda *_: len))

    def _ask(self, app: Any, asked: Asked) -> Reply:
        answers: list[Any] = []
        self.lines.clear()
        self.spans.clear()
        with _counting() as counted:
            body = b"".join(app(asked.wsgi(), lambda *answer: answers.append(answer)))
        [(status, headers)] = answers
        lines = [line for line in map(json.loads, self.lines) if line["event"] == "request"]
        for line in lines:
            assert all(line.pop(name) is not None for name in CHANGING)
        headers = [pair for pair in headers if pair[0] != "Date"]
        spans = [span._replace(ended_at=0, seconds=0, request_id="") for span in self.spans]
        return _without_chance(Reply(status, headers, body, lines, counted, spans, self._taken))


@contextmanager
def _counting() -> Iterator[dict[str, float]]:
    """Yield what our own metrics count in the block: to read all of them twice would cost more than a request."""
    counted: dict[str, float] = defaultdict(float)
    count: Callable[[MutexValue, float], None] = MutexValue.inc

    def note(value: MutexValue, amount: float) -> None:
        count(value, amount)
        if amount and (name := _name(value)):
            counted[name] += amount

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MutexValue, "inc", note)
        yield counted


def _name(value: MutexValue) -> str | None:
    """Return the name of a count with its labels, or None for anything but a counter or histogram."""
    if value not in _names:
        _names.update({count: name for metric in _metrics() for count, name in _counts(metric)})
    return _names.setdefault(value, None)


def _metrics() -> set[Any]:
    return {metric for metric in REGISTRY._names_to_collectors.values() if isinstance(metric, Counter | Histogram)}


def _counts(metric: Any) -> Iterator[tuple[MutexValue, str]]:
    suffix = "count" if isinstance(metric, Histogram) else "total"
    for labels, child in metric._metrics.items():
        name = f"{metric._name}_{suffix}{sorted(zip(metric._labelnames, labels, strict=True))}"
        for count in getattr(child, "_buckets", None) or [child._value]:
            yield count, name


def _without_chance(reply: Reply) -> Reply:
    """Remove what differs between two tokens: the id and the signature."""
    if not reply.body.startswith(b'{"access_token"'):
        return reply
    body = json.loads(reply.body)
    token = body["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    [line] = reply.lines
    assert claims.pop("jti") == line.pop("credential_id")
    assert dict(reply.headers)["Content-Length"] == str(len(reply.body))
    spelled = [list(body), list(claims), jwt.get_unverified_header(token), len(token)]
    return replace(reply, body=[spelled, claims, {name: body[name] for name in body if name != "access_token"}])


def basic(pair: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(pair).encode()).decode()


def capture(lanes: Lanes, patch: pytest.MonkeyPatch) -> None:
    """Collect the log lines in `lanes.lines`."""
    for level in ("msg", "debug", "info", "warning", "error"):
        patch.setattr(logs._Stderr, level, lambda _self, lines: lanes.lines.extend(lines.splitlines()))
