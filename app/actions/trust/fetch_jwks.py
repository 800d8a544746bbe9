"""Fetch public keys from a jwks_uri, or from where an issuer's discovery says; never from inside our own network.

Bounded in size and time.
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

import httpcore  # httpx would load a command line with it
from cachetools import LRUCache

from app.actions.trust.public_address import is_public
from app.actions.trust.registration import LONGEST_URI

LARGEST = 65_536  # bytes of an answer
PATIENCE = 5.0  # seconds for all of it
FRESH = 300.0  # seconds an answer is used
AGAIN = 30.0  # seconds until an unknown kid, or a failure, may cause another fetch
AT_ONCE = 2  # fetches in a process: a host that hangs must leave threads to those who ask for something else
WAITERS, WAITING = 4, 1.0  # threads that may wait for a fetch that another one does, and for how many seconds
KEPT = 1_000  # answers
DISCOVERY = "/.well-known/openid-configuration"
UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol)
log = logging.getLogger(__name__)
Keys = Mapping[str, Any]
Judge = Callable[[Keys | None], bool]


@dataclass(frozen=True, slots=True)
class _Answer:
    asked_at: float
    had_at: float  # earlier, if it was asked in vain since
    document: Keys | None  # None: it could not be had

    def until(self, age: float, now: float) -> Keys | None:
        """Give the document unless it has reached this age."""
        return self.document if now - self.had_at < age else None


NEVER = _Answer(float("-inf"), float("-inf"), None)


class FetchJwks:
    """Gives the JWK set behind a URI, from memory while it is fresh.

    One fetches an address at a time. A few wait a moment for that one, all others get what is kept, or nothing.
    """

    def __init__(
        self, *, allow_private: bool, patience: float = PATIENCE, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        """`allow_private` admits private addresses, and plain http to them (ALLOW_PRIVATE_JWKS_URI).

        `patience` is the seconds that connecting and reading may take together.
        """
        self._allow_private = allow_private
        self._patience = patience
        self._monotonic = monotonic
        self._answers: LRUCache[str, _Answer] = LRUCache(KEPT)
        self._asking: set[str] = set()
        self._waiting = 0
        self._lock = threading.Condition()

    def __call__(self, uri: str, kid: str | None, may_fetch: Callable[[], bool] = lambda: True) -> Keys | None:
        """Give the set, fetched anew when it is old or does not hold `kid`; None when it cannot be had.

        `may_fetch` is asked before a fetch; without one, what is kept must do.
        """
        found = self._document(uri, _is_set, partial(_holds, kid), may_fetch)
        return found if _is_set(found) else None

    def discovered(self, issuer: str, may_fetch: Callable[[], bool] = lambda: True) -> str | None:
        """Give the jwks_uri of an issuer (OpenID Connect Discovery §4); None when it names another issuer (§4.3)."""
        uri = f"{issuer.removesuffix('/')}{DISCOVERY}"
        is_good = partial(_is_of, issuer)
        found = self._document(uri, is_good, is_good, may_fetch)
        keys = found.get("jwks_uri") if found is not None and is_good(found) else None
        return keys if isinstance(keys, str) and len(keys) <= LONGEST_URI else None

    def _document(self, uri: str, is_good: Judge, suffices: Judge, may_fetch: Callable[[], bool]) -> Keys | None:
        with self._lock:
            kept = self._answers.get(uri, NEVER)
        now = self._monotonic()
        fresh = kept.until(FRESH, now)
        if suffices(fresh) or now - kept.asked_at < AGAIN:
            return fresh
        if self._is_busy(uri) or not may_fetch() or not self._begun(uri, kept):
            with self._lock:  # as old as what a fetch that began in time replaces when it ends
                self._await(uri)
                return self._answers.get(uri, NEVER).until(FRESH + PATIENCE, now)
        try:
            return self._asked(uri, is_good, now)
        finally:
            with self._lock:
                self._asking.discard(uri)
                self._lock.notify_all()

    def _await(self, uri: str) -> None:
        """Wait for who is fetching this, if few wait already."""
        if uri in self._asking and self._waiting < WAITERS:
            self._waiting += 1
            self._lock.wait_for(lambda: uri not in self._asking, WAITING)
            self._waiting -= 1

    def _asked(self, uri: str, is_good: Judge, now: float) -> Keys | None:
        """Fetch anew; a failure leaves what was kept as it was: a stranger's unknown kid must not end good keys."""
        answer = _Answer(now, now, self._fetch(uri))
        with self._lock:
            kept = self._answers.get(uri, NEVER)
            if is_good(kept.until(FRESH, now)) and not is_good(answer.document):
                answer = replace(kept, asked_at=now)
            self._answers[uri] = answer
        return answer.document

    def _is_busy(self, uri: str) -> bool:
        """Tell whether somebody is fetching this already, or too many fetch something."""
        return uri in self._asking or len(self._asking) >= AT_ONCE

    def _begun(self, uri: str, kept: _Answer) -> bool:
        """Take a place among those who fetch; false when there is none, or an answer has come meanwhile."""
        with self._lock:
            free = not self._is_busy(uri) and self._answers.get(uri, NEVER) is kept
            if free:
                self._asking.add(uri)
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
        """Resolve once and pin the connection to what was checked: a second answer of the DNS changes nothing."""
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
                raise ValueError("not there")
            body = b""
            for chunk in response.iter_stream():
                body += chunk
                if len(body) > LARGEST:
                    raise ValueError("too much")
        return body


def _host(uri: str) -> str:
    """Give the host of an address for the log: its path may be a secret, and its length is the caller's."""
    with suppress(ValueError):
        host = (urlsplit(uri).hostname or "")[:200]
        return "".join(c if c.isascii() and c.isprintable() else "?" for c in host)
    return ""


class _Pinned(httpcore.NetworkBackend):
    """Connect to the address that was checked, whatever the name resolves to by now."""

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
        left = _left(self._deadline)
        return _Hurried(httpcore.SyncBackend().connect_tcp(self._address, port, left), self._deadline)


class _Hurried(httpcore.NetworkStream):
    """End everything by one deadline, where a timeout for each read lets a host send a byte at a time for hours."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Hurried(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("too slow")
    return left


def _is_of(issuer: str, document: Keys | None) -> bool:
    return document is not None and document.get("issuer") == issuer


def _is_set(document: Keys | None) -> bool:
    return document is not None and isinstance(document.get("keys"), list)


def _holds(kid: str | None, keys: Keys | None) -> bool:
    if keys is None or not _is_set(keys):
        return False
    return kid is None or any(isinstance(key, dict) and key.get("kid") == kid for key in keys["keys"])
