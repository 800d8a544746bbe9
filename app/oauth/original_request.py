"""The request that a gateway asks about: its method and URL, in headers that the gateway sets."""

from __future__ import annotations

from werkzeug.datastructures import Headers

Original = tuple[str | None, str | None]  # method and URL
UNKNOWN: Original = (None, None)
OF_WEBSOCKETS = {"ws": "http", "wss": "https"}  # RFC 6455 §4.1: the handshake is an HTTP request


def read_original_request(headers: Headers) -> Original:
    """Return method and URL from X-Original-… (nginx) or X-Forwarded-… (Caddy, Traefik).

    Return UNKNOWN without them, or when the two differ: one of them is then the caller's own.
    """
    found = [original for original in (_read_original(headers), _read_forwarded(headers)) if all(original)]
    return found[0] if found and all(original == found[0] for original in found) else UNKNOWN


def _read_original(headers: Headers) -> Original:
    url = headers.get("X-Original-URL")
    scheme, colon, rest = (url or "").partition(":")
    return headers.get("X-Original-Method"), _http_scheme(scheme) + colon + rest if url else None


def _read_forwarded(headers: Headers) -> Original:
    scheme, host, uri = (headers.get(f"X-Forwarded-{name}", "") for name in ("Proto", "Host", "Uri"))
    complete = scheme and host and uri.startswith("/")
    return headers.get("X-Forwarded-Method"), f"{_http_scheme(scheme)}://{host}{uri}" if complete else None


def _http_scheme(scheme: str) -> str:
    """Return the scheme of the HTTP request: for a WebSocket Traefik sends `wss`."""
    return OF_WEBSOCKETS.get(scheme.lower(), scheme)
