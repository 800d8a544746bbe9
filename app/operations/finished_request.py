"""A request as it is traced: the envelope and the log of the fast lane make one of each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias


class FinishedRequest(NamedTuple):
    """An answered request; `ended_at` is seconds since 1970, `traceparent` the header as it was sent.

    `route` is the rule that matched, empty if none did; `kind` is that of the credential, if it is known.
    """

    ended_at: float
    seconds: float
    method: str
    route: str
    status: int
    request_id: str
    kind: str | None
    traceparent: str | None


TraceRequest: TypeAlias = Callable[[FinishedRequest], None]
TRACEPARENT = "HTTP_TRACEPARENT"  # the header (W3C Trace Context §3.2) as WSGI names it
