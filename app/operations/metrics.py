"""The metrics at /metrics: what was issued, introspected and refused, and how long requests took.

With PROMETHEUS_MULTIPROC_DIR set before this module is loaded, as the server does, its processes share their numbers.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import cache
from typing import Final

from flask import Flask, Response, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from app.compat.prometheus import observe_all, preallocate_files
from app.credentials.api_key import ApiKeys
from app.credentials.pat import PersonalAccessTokens
from app.operations.paths import FORWARD_AUTH, TOKEN
from app.operations.shared_result import SharedResult

preallocate_files()
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
MOST_RENDERINGS = 10  # in a burst, then one a second: each takes up to 25 ms
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="metrics"'}
UNKNOWN = "unknown"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ISSUING = {
    ("POST", "/api/v1/me/personal-access-tokens"): PersonalAccessTokens.name,
    ("POST", "/api/v1/me/personal-access-tokens/<row:token_id>/regenerate"): PersonalAccessTokens.name,
    ("POST", "/api/v1/users/<row:user_id>/personal-access-tokens"): PersonalAccessTokens.name,
    ("POST", "/api/v1/api-keys"): ApiKeys.name,
    ("POST", "/api/v1/api-keys/<row:key_id>/rotate"): ApiKeys.name,
}
REFUSALS = {401: "unauthenticated", 403: "forbidden", 429: "rate_limited"}

_labels = ("kind", "outcome")
_issued = Counter("latchkey_issued", "Credentials and tokens asked for, by what came of it", _labels)
_introspected = Counter("latchkey_introspected", "Credentials introspected, by what was answered", _labels)
_refused = Counter("latchkey_refused", "Credentials refused where they were used, by why", _labels)
_reasons = Counter("latchkey_refusals", "Refusals by reason, of a closed list", ("reason",))
_latency = Histogram(
    "latchkey_request_seconds",
    "How long requests took",
    ("method", "route", "status"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)

CHECKS = ("database", "migrations", "writes", "redis")
RECENT: Final = "livemostrecent"  # of several processes, and after one was killed, the last to look is right
_check_failed = Gauge(
    "latchkey_check_failed", "Whether a check of /readyz failed (1) or not (0)", ("check",), multiprocess_mode=RECENT
)
_signing_key_due = Gauge(
    "latchkey_signing_key_due_timestamp_seconds",
    "When the active signing key is to be rotated, in seconds since 1970 (0: by hand)",
    multiprocess_mode=RECENT,
)


def issued_counter(kind: str) -> Callable[[float], None]:
    """Return a function that adds to the issued credentials of a kind."""
    count: Callable[[float], None] = _issued.labels(kind, "success").inc
    return count


@cache
def introspected_counter(kind: str | None) -> Callable[[float], None]:
    """Return a function that adds to the active introspections of a kind; for None, to the inactive ones."""
    count: Callable[[float], None] = _introspected.labels(kind or UNKNOWN, "active" if kind else "inactive").inc
    return count


def count_issued(kind: str, outcome: str = "success") -> None:
    """Count a credential that was issued, or an attempt: `outcome` is success or the error's code."""
    _issued.labels(kind, outcome).inc()


def count_introspected(kind: str | None, active: bool) -> None:
    """Count an introspection; `kind` None when the credential was not recognized or is not active."""
    _introspected.labels(kind or UNKNOWN, "active" if active else "inactive").inc()


def count_refused(kind: str | None, outcome: str) -> None:
    """Count a refusal; `outcome` is the error's code, as in invalid_token or insufficient_scope."""
    _refused.labels(kind or UNKNOWN, outcome).inc()


def count_reason(reason: str, times: int = 1) -> None:
    """Count refusals by their reason, of the closed list in app/credentials/reasons.py."""
    _reason_counter(reason).inc(times)


@cache
def _reason_counter(reason: str) -> Counter:
    """Return the counter of a reason: the look-up by label costs more than the count."""
    return _reasons.labels(reason)


def count_request(method: str, route: str, status: int, seconds: float, kind: str | None) -> None:
    """Record the duration and the outcome of a request; `route` is the rule that matched, never the path.

    `kind` is that of the credential that was sent, if it is known.
    """
    _latency.labels(method if method in METHODS else "OTHER", route, f"{status // 100}xx").observe(seconds)
    if (method, route) in ISSUING:
        count_issued(ISSUING[method, route], "success" if status < 300 else "refused")
    elif (method, route) == ("POST", TOKEN) and status >= 400:
        count_issued(UNKNOWN, "refused")  # successes are counted by the grants, with their kind
    if status in REFUSALS and route != FORWARD_AUTH:  # which counts its own, by their error codes
        count_refused(kind, REFUSALS[status])


def count_successes(method: str, route: str, seconds: Sequence[float]) -> None:
    """Record durations of requests answered with 200: one write a bucket, where `observe` needs two a request."""
    observe_all(_latency.labels(method, route, "2xx"), seconds)


def set_checks(failed: Collection[str]) -> None:
    """Set the outcome of each check: `failed` are names of CHECKS."""
    for name in CHECKS:
        _check_failed.labels(name).set(name in failed)


def set_signing_key_due(at: datetime | None) -> None:
    """Set when the active signing key is to be rotated; None: by hand."""
    _signing_key_due.set(at.timestamp() if at else 0)


def forget_process() -> None:
    """Drop the numbers that count only while this process lives; call it at its end."""
    if os.environ.get(FOLDER):
        mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]


def register(app: Flask, flush: Callable[[], None], token: str = "") -> None:
    """Add /metrics; `flush` counts the pending requests of this process, `token` is METRICS_TOKEN."""

    def render() -> bytes:
        flush()
        return generate_latest(_registry())

    exposition = SharedResult(render, MOST_RENDERINGS)

    @app.get("/metrics")
    def metrics() -> Response:
        if token and not _has_token(request.headers.get("Authorization", ""), token):
            return Response("send METRICS_TOKEN as a Bearer token\n", 401, CHALLENGE, mimetype="text/plain")
        return Response(exposition(), content_type=CONTENT_TYPE_LATEST)


def _has_token(sent: str, token: str) -> bool:
    """Compare in constant time."""
    scheme, _, credentials = sent.partition(" ")
    presented = credentials.strip().encode("utf-8", "surrogatepass")
    return scheme.lower() == "bearer" and hmac.compare_digest(presented, token.encode())  # RFC 9110 §11.1


def _registry() -> CollectorRegistry:
    if not os.environ.get(FOLDER):
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry
