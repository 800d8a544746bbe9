"""Fetch a client's public keys from its jwks_uri: bounded in size and time, and never from inside our own network."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import httpx

LARGEST = 65_536  # bytes of an answer
PATIENCE = 5.0  # seconds for all of it
FRESH = 300.0  # seconds an answer is used
AGAIN = 30.0  # seconds until an unknown kid may cause another fetch
KEPT = 1_000  # answers
Keys = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Answer:
    at: float
    keys: Keys | None  # None: it could not be had


class FetchJwks:
    """Gives the JWK set behind a URI, from memory while it is fresh."""

    def __init__(self, *, allow_private: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`allow_private` admits private addresses, and plain http to them (ALLOW_PRIVATE_JWKS_URI)."""
        self._allow_private = allow_private
        self._monotonic = monotonic
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, uri: str, kid: str | None) -> Keys | None:
        """Give the set, fetched anew when it is old or does not hold `kid`; None when it cannot be had."""
        with self._lock:
            kept = self._answers.get(uri)
        if kept is not None and self._monotonic() - kept.at < (FRESH if _holds(kept.keys, kid) else AGAIN):
            return kept.keys
        answer = _Answer(self._monotonic(), self._fetch(uri))
        with self._lock:
            self._answers[uri] = answer
            while len(self._answers) > KEPT:
                self._answers.popitem(last=False)
        return answer.keys

    def _fetch(self, uri: str) -> Keys | None:
        try:
            url = httpx.URL(uri)
            address = self._checked_address(url)
            keys = json.loads(self._read(url, address))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, RecursionError):
            return None
        return keys if isinstance(keys, dict) and isinstance(keys.get("keys"), list) else None

    def _checked_address(self, url: httpx.URL) -> str:
        """Resolve once and pin the connection to what was checked: a second answer of the DNS changes nothing."""
        found = socket.getaddrinfo(url.host, url.port or 443, type=socket.SOCK_STREAM)
        addresses = [str(entry[4][0]) for entry in found]
        private = any(not ip_address(address.partition("%")[0]).is_global for address in addresses)
        if private and not self._allow_private:
            raise ValueError("a private address")
        if url.scheme != "https" and not private:
            raise ValueError("plain http")
        return addresses[0]

    def _read(self, url: httpx.URL, address: str) -> bytes:
        deadline = self._monotonic() + PATIENCE
        host = url.netloc.decode("ascii")
        headers = {"Host": host, "Accept": "application/json", "Accept-Encoding": "identity"}
        with (
            httpx.Client(timeout=PATIENCE / 2, follow_redirects=False, trust_env=False) as client,
            client.stream(
                "GET", url.copy_with(host=address), headers=headers, extensions={"sni_hostname": url.host}
            ) as response,
        ):
            if response.status_code != 200:
                raise ValueError("not there")
            body = b""
            for chunk in response.iter_raw():
                body += chunk
                if len(body) > LARGEST or self._monotonic() > deadline:
                    raise ValueError("too much or too slow")
        return body


def _holds(keys: Keys | None, kid: str | None) -> bool:
    if keys is None:
        return False
    return kid is None or any(isinstance(key, dict) and key.get("kid") == kid for key in keys["keys"])
