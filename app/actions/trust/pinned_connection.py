"""Connections to hosts that others chose: to the address that was checked, under one deadline.

A private address is refused by default (the setting ALLOW_PRIVATE_JWKS_URI): a URL must not reach into the network.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpcore  # httpx would load more than the server needs

from app.actions.trust.public_address import is_public

UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol)


def read_url(uri: str) -> httpcore.URL:
    """Return the URL with its whole path: httpcore leaves out what follows a semicolon. Raise ValueError."""
    parts = urlsplit(uri.encode("ascii"))
    target = (parts.path or b"/") + (b"?" + parts.query if parts.query else b"")
    return httpcore.URL(scheme=parts.scheme, host=parts.hostname or b"", port=parts.port, target=target)


def checked_address(url: httpcore.URL, *, allow_private: bool) -> str:
    """Resolve the host once and return the checked address to connect to: a second DNS answer has no effect.

    Raise ValueError for an address that is refused, and OSError for a name that does not resolve.
    """
    found = socket.getaddrinfo(url.host.decode("ascii"), url.port or 443, type=socket.SOCK_STREAM)
    addresses = [str(entry[4][0]) for entry in found]
    private = not all(is_public(address) for address in addresses)
    if private and not allow_private:
        raise ValueError("a private address")
    if url.scheme != b"https" and not private:
        raise ValueError("plain http")
    return addresses[0]


def host_of(uri: str) -> str:
    """Return the host of a URI for the log, shortened; the path is left out, because it may be a secret."""
    with suppress(ValueError):
        host = (urlsplit(uri).hostname or "")[:200]
        return "".join(c if c.isascii() and c.isprintable() else "?" for c in host)
    return ""


class Pinned(httpcore.NetworkBackend):
    """Connect to the checked address, whatever the name resolves to by now."""

    def __init__(self, address: str, deadline: float) -> None:
        self._address = address
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the checked address in the time that is left."""
        timeout = _remaining(self._deadline)
        return _DeadlineStream(httpcore.SyncBackend().connect_tcp(self._address, port, timeout), self._deadline)


class _DeadlineStream(httpcore.NetworkStream):
    """Apply one deadline to all reads and writes: a timeout per read would let a host send one byte at a time."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _remaining(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _remaining(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _remaining(self._deadline))
        return _DeadlineStream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _remaining(deadline: float) -> float:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise httpcore.ReadTimeout("too slow")
    return remaining
