"""The status lists of the authorization server: one bit for what a token was decided from (OAuth Token Status List)."""

from __future__ import annotations

import base64
import re
import threading
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .configuration import Configuration
from .document import Content, Document, Unreadable
from .forks import renew_after_fork
from .keys import PublishedKeys
from .steps import HttpResponse, Refresh, Steps

MAX_BYTES = 262_144  # of a list, decompressed: two million indexes
MAX_LISTS = 64  # that one process keeps
MAX_TTL = 3_600  # seconds
LIST_TYPE = "statuslist+jwt"
LIST_ID = re.compile(r"[\w~-][\w.~-]{0,127}", re.ASCII)
CLAIMS = ["iss", "sub", "iat", "exp", "ttl", "status_list"]


class StatusLists:
    """Read the bits of tokens. A list is fetched when it is first seen, and then before it is `ttl` seconds old."""

    def __init__(self, configuration: Configuration, keys: PublishedKeys) -> None:
        """Take the server, its keys, and for how long a list serves while the server does not answer."""
        self._configuration = configuration
        self._keys = keys
        self._place = f"{configuration.issuer}/status-lists/"
        self._lists: OrderedDict[str, Document[bytes]] = OrderedDict()
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Replace the lock, which another thread may have held when the process forked."""
        self._lock = threading.Lock()

    def is_valid(self, status: object) -> Steps[bool]:
        """Return whether the bit that a `status` claim names is 0; False if it names none."""
        reference = status.get("status_list") if isinstance(status, dict) else None
        index, uri = (reference.get("idx"), reference.get("uri")) if isinstance(reference, dict) else (None, None)
        if type(index) is not int or not isinstance(uri, str) or not self._is_ours(uri):
            return False
        document = self._find(uri)
        yield Refresh(document)
        bits = document.value()
        return 0 <= index < 8 * len(bits) and not bits[index // 8] >> index % 8 & 1

    def _is_ours(self, uri: str) -> bool:
        """Return whether the address is that of a list of this server: nothing else is fetched."""
        return uri.startswith(self._place) and LIST_ID.fullmatch(uri, len(self._place)) is not None

    def _find(self, uri: str) -> Document[bytes]:
        """Return the list of an address; the one that was not used for the longest time makes room."""
        with self._lock:
            if uri not in self._lists:
                self._lists[uri] = self._make(uri)
            self._lists.move_to_end(uri)
            while len(self._lists) > MAX_LISTS:
                self._lists.popitem(last=False)
            return self._lists[uri]

    def _make(self, uri: str) -> Document[bytes]:
        def read(response: HttpResponse) -> Steps[Content[bytes]]:
            return self._read(uri, response)

        return Document(uri, read, lambda _: self._configuration.max_stale, self._configuration.now)

    def _read(self, uri: str, response: HttpResponse) -> Steps[Content[bytes]]:
        """Return the bits of a signed list; raise Unreadable if it is not this one, or not valid now."""
        token = response.body.decode("ascii", "replace")
        expected = {"issuer": self._configuration.issuer, "subject": uri}
        claims = yield from self._keys.decode(token, LIST_TYPE, {"require": CLAIMS, "verify_aud": False}, **expected)
        if claims is None or not _is_seconds(ttl := claims["ttl"]) or not _is_seconds(expires_at := claims["exp"]):
            raise Unreadable
        if expires_at <= self._configuration.now():
            raise Unreadable
        return Content(_decompress(claims["status_list"]), min(ttl, MAX_TTL), expires_at)


def _decompress(status_list: Mapping[str, Any]) -> bytes:
    """Return the bytes of a list; raise Unreadable for what is not one, or is larger than we keep."""
    if not isinstance(status_list, dict) or status_list.get("bits") != 1 or status_list["bits"] is True:
        raise Unreadable
    try:
        packed = status_list["lst"].encode("ascii")
        unpacking = zlib.decompressobj()
        bits = unpacking.decompress(base64.b64decode(packed + b"=" * (-len(packed) % 4), b"-_", True), MAX_BYTES + 1)
    except (AttributeError, KeyError, ValueError, zlib.error):
        raise Unreadable from None
    if not unpacking.eof or len(bits) > MAX_BYTES:
        raise Unreadable
    return bits


def _is_seconds(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
