"""Fetch public keys from a jwks_uri or an issuer's discovery document: never from a private network by default.

Each fetch is limited in size and time.
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import httpcore  # httpx would load more than the server needs
from cachetools import LRUCache

from app.actions.trust.public_address import is_public
from app.actions.trust.registration import LONGEST_URI

LARGEST_RESPONSE = 65_536  # bytes
PATIENCE = 5.0  # seconds for the whole fetch
FRESH = 300.0  # seconds for which a response is used
AGAIN = 30.0  # seconds until an unknown kid, or a failure, may cause another fetch
AT_ONCE = 2  # fetches in a process: a host that hangs must leave threads for other requests
WAITERS, WAITING = 4, 1.0  # threads that may wait for another one's fetch, and for how many seconds
MAX_CACHED = 1_000  # responses
DISCOVERY = "/.well-known/openid-configuration"
UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol)
log = logging.getLogger(__name__)
Keys = Mapping[str, Any]
Check = Callable[[Keys | None], bool]


@dataclass(frozen=True, slots=True)
class _Cached:
    asked_at: float
    fetched_at: float  # earlier than asked_at, if later attempts failed
    document: Keys | None  # None: it could not be fetched

    def younger_than(self, age: float, now: float) -> Keys | None:
        """Return the document unless it has reached this age."""
        return self.document if now - self.fetched_at < age else None


NEVER = _Cached(float("-inf"), float("-inf"), None)


class FetchJwks:
    """Fetches the JWK set of a URI, and caches it while it is fresh.

    One thread fetches a URI at a time. A few others wait briefly for it, the rest get the cached set, or None.
    """

    def __init__(
        self, *, allow_private: bool, patience: float = PATIENCE, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """Take whether private addresses, and plain http to them, are allowed (ALLOW_PRIVATE_JWKS_URI).

        `patience` is the number of seconds for connecting and reading together.
        """
        self._allow_private = allow_private
        self._patience = patience
        self._monotonic = monotonic
        self._cache: LRUCache[str, _Cached] = LRUCache(MAX_CACHED)
        self._fetching: set[str] = set()
        self._waiting = 0
        self._lock = threading.Condition()

    def __call__(self, uri: str, kid: str | None, may_fetch: Callable[[], bool] = lambda: True) -> Keys | None:
        """Return the set, fetched again when it is old or lacks `kid`; None when it cannot be fetched.

        `may_fetch` is called before a fetch; when it returns False, only the cache is used.
        """
        found = self._document(uri, _is_set, partial(_has_key, kid), may_fetch)
        return found if _is_set(found) else None

    def discover(self, issuer: str, may_fetch: Callable[[], bool] = lambda: True) -> str | None:
        """Return the jwks_uri of an issuer (OpenID Connect Discovery §4); None when it names another issuer (§4.3)."""
        uri = f"{issuer.removesuffix('/')}{DISCOVERY}"
        is_good = partial(_names_issuer, issuer)
        found = self._document(uri, is_good, is_good, may_fetch)
        keys = found.get("jwks_uri") if found is not None and is_good(found) else None
        return keys if isinstance(keys, str) and len(keys) <= LONGEST_URI else None

    def _document(self, uri: str, is_good: Check, suffices: Check, may_fetch: Callable[[], bool]) -> Keys | None:
        with self._lock:
            cached = self._cache.get(uri, NEVER)
        now = self._monotonic()
        fresh = cached.younger_than(FRESH, now)
        if suffices(fresh) or now - cached.asked_at < AGAIN:
            return fresh
        if self._is_busy(uri) or not may_fetch() or not self._start_fetch(uri, cached):
            with self._lock:  # the oldest set that a fetch which started in time may still replace
                self._await(uri)
                return self._cache.get(uri, NEVER).younger_than(FRESH + PATIENCE, now)
        try:
            return self._fetch_and_cache(uri, is_good, now)
        finally:
            with self._lock:
                self._fetching.discard(uri)
                self._lock.notify_all()

    def _await(self, uri: str) -> None:
        """Wait for the thread that fetches this URI, unless too many wait already."""
        if uri in self._fetching and self._waiting < WAITERS:
            self._waiting += 1
            self._lock.wait_for(lambda: uri not in self._fetching, WAITING)
            self._waiting -= 1

    def _fetch_and_cache(self, uri: str, is_good: Check, now: float) -> Keys | None:
        """Fetch the document; a failure keeps the cached one, because an unknown kid must not disable good keys."""
        fetched = _Cached(now, now, self._fetch(uri))
        with self._lock:
            cached = self._cache.get(uri, NEVER)
            if is_good(cached.younger_than(FRESH, now)) and not is_good(fetched.document):
                fetched = replace(cached, asked_at=now)
            self._cache[uri] = fetched
        return fetched.document

    def _is_busy(self, uri: str) -> bool:
        """Return whether this URI is being fetched, or as many others as may be at once."""
        return uri in self._fetching or len(self._fetching) >= AT_ONCE

    def _start_fetch(self, uri: str, cached: _Cached) -> bool:
        """Reserve the fetch of this URI; return False when too many run, or the cache changed meanwhile."""
        with self._lock:
            free = not self._is_busy(uri) and self._cache.get(uri, NEVER) is cached
            if free:
                self._fetching.add(uri)
        return free

    def _fetch(self, uri: str) -> Keys | None:
        try:
            url = httpcore.URL(uri)
            address = self._checked_address(url)
            document = json.loads(self._read(url, address))
        except (*UNREACHABLE, OSError, TypeError, ValueError, RecursionError) as error:
            log.warning("keys of a client cannot be fetched (%s): %s", type(error).__name__, _host(uri))
            return None
        return document if isinstance(document, dict) else None

    def _checked_address(self, url: httpcore.URL) -> str:
        """Resolve the host once and return the checked address to connect to: a second DNS answer has no effect."""
        found = socket.getaddrinfo(url.host.decode("ascii"), url.port or 443, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        private = not all(is_public(address) for address in addresses)
        if private and not self._allow_private:
            raise ValueError("a private address")
        if url.scheme != b"https" and not private:
            raise ValueError("plain http")
        return addresses[0]

    def _read(self, url: httpcore.URL, address: str) -> bytes:
        backend = _Pinned(address, time.monotonic() + self._patience)
        headers: dict[bytes | str, bytes | str] = {"Accept": "application/json", "Accept-Encoding": "identity"}
        with (
            httpcore.ConnectionPool(network_backend=backend) as pool,
            pool.stream("GET", url, headers=headers) as response,
        ):
            if response.status != 200:  # a redirect is not followed either
                raise ValueError("status is not 200")
            body = b""
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > LARGEST_RESPONSE:
                    raise ValueError("response is too large")
        return body


def _host(uri: str) -> str:
    """Return the host of a URI for the log, shortened; the path is left out, because it may be a secret."""
    with suppress(ValueError):
        host = (urlsplit(uri).hostname or "")[:200]
        return "".join(c if c.isascii() and c.isprintable() else "?" for c in host)
    return ""


class _Pinned(httpcore.NetworkBackend):
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


def _names_issuer(issuer: str, document: Keys | None) -> bool:
    return document is not None and document.get("issuer") == issuer


def _is_set(document: Keys | None) -> bool:
    return document is not None and isinstance(document.get("keys"), list)


def _has_key(kid: str | None, keys: Keys | None) -> bool:
    if keys is None or not _is_set(keys):
        return False
    return kid is None or any(isinstance(key, dict) and key.get("kid") == kid for key in keys["keys"])
