"""Fetch a JSON object from a URL that others chose: never from a private network by default.

Each fetch is limited in size and time, follows no redirect and connects to the address that was checked.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpcore  # httpx would load more than the server needs

from app.actions.trust.bounded_request import send_bounded
from app.actions.trust.cache_lifetime import lifetime_of
from app.actions.trust.pinned_connection import UNREACHABLE, checked_address, host_of, read_url
from app.settings.strict_json import read_json

LARGEST_RESPONSE = 65_536  # bytes
PATIENCE = 5.0  # seconds for the whole fetch
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A JSON object, and for how many seconds its server lets it be kept (RFC 9111); None where it does not say."""

    document: Mapping[str, Any]
    lifetime: float | None = None


class FetchJson:
    """Fetches JSON objects; `what` names them in the log."""

    def __init__(
        self, what: str, *, allow_private: bool, patience: float = PATIENCE, largest: int = LARGEST_RESPONSE
    ) -> None:
        """Take whether private addresses, and plain http to them, are allowed (ALLOW_PRIVATE_JWKS_URI).

        `patience` is the number of seconds for connecting and reading together, `largest` the bytes of an answer.
        """
        self._what = what
        self._allow_private = allow_private
        self._patience = patience
        self._largest = largest

    def __call__(self, uri: str) -> Fetched | None:
        """Return what the URI answers; None when it cannot be fetched or is not a JSON object."""
        try:
            url = read_url(uri)
            body, headers = self._read(url, self.checked_address(url))
            document = read_json(body.decode("utf-8-sig"))
        except (*UNREACHABLE, OSError, TypeError, ValueError, RecursionError) as error:
            log.warning("%s cannot be fetched (%s): %s", self._what, type(error).__name__, host_of(uri))
            return None
        return Fetched(document, lifetime_of(headers)) if isinstance(document, dict) else None

    def checked_address(self, url: httpcore.URL) -> str:
        """Resolve the host once and return the checked address to connect to: a second DNS answer has no effect."""
        return checked_address(url, allow_private=self._allow_private)

    def _read(self, url: httpcore.URL, address: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        headers = {"Accept": "application/json"}
        status, answered, body = send_bounded(
            "GET", url, address, headers, None, patience=self._patience, largest=self._largest
        )
        if status != 200:  # a redirect is not followed either
            raise ValueError("status is not 200")
        return body, answered
