"""Which request a gateway asks about: its method and URL, as the gateway tells them."""

from __future__ import annotations

from werkzeug.datastructures import Headers

Told = tuple[str | None, str | None]
NOTHING: Told = (None, None)
OF_WEBSOCKETS = {"ws": "http", "wss": "https"}  # RFC 6455 §4.1: the handshake is an HTTP request


def original_request(headers: Headers) -> Told:
    """Give method and URL, of X-Original-… (nginx) or X-Forwarded-… (Caddy, Traefik).

    Nothing when they are not told, or when both are and differ: one of them is then the caller's own.
    """
    told = [way for way in (_by_original(headers), _by_forwarded(headers)) if all(way)]
    return told[0] if told and all(way == told[0] for way in told) else NOTHING


def _by_original(headers: Headers) -> Told:
    url = headers.get("X-Original-URL")
    scheme, colon, rest = (url or "").partition(":")
    return headers.get("X-Original-Method"), _http(scheme) + colon + rest if url else None


def _by_forwarded(headers: Headers) -> Told:
    scheme, host, uri = (headers.get(f"X-Forwarded-{name}", "") for name in ("Proto", "Host", "Uri"))
    known = scheme and host and uri.startswith("/")
    return headers.get("X-Forwarded-Method"), f"{_http(scheme)}://{host}{uri}" if known else None


def _http(scheme: str) -> str:
    """Return the scheme of the HTTP request: for a WebSocket Traefik names `wss`."""
    return OF_WEBSOCKETS.get(scheme.lower(), scheme)
