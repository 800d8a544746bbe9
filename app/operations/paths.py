"""The paths that are treated specially before any route is chosen."""

from __future__ import annotations

FORWARD_AUTH = "/oauth/forward-auth"  # its body is never read, and a gateway may append its caller's path
TOKEN = "/oauth/token"  # noqa: S105 - a path
AUTHORIZE = "/oauth/authorize"
HEALTHZ = "/healthz"  # answered at once, even when all threads are busy
