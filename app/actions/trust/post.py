"""Send a request to a URL that others chose, under the rules of `fetch_json`; only its status counts."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore  # httpx would load more than the server needs

from app.actions.trust.pinned_connection import UNREACHABLE, Pinned, checked_address, read_url

PATIENCE = 10.0  # seconds for connecting, sending and the status together


@dataclass(frozen=True, slots=True)
class Answer:
    """The status that was answered, or None and what went wrong."""

    status: int | None
    problem: str = ""

    @property
    def accepted(self) -> bool:
        """Whether it is a success; a redirect is none, and is not followed."""
        return self.status is not None and 200 <= self.status < 300


class Post:
    """Sends requests; the body of an answer is never read."""

    def __init__(self, *, allow_private: bool, patience: float = PATIENCE) -> None:
        """Take whether private addresses, and plain http to them, are allowed (ALLOW_PRIVATE_JWKS_URI)."""
        self._allow_private = allow_private
        self._patience = patience

    def __call__(self, uri: str, headers: Mapping[str, str], body: str) -> Answer:
        """Send the body and return the answer; a failure is an answer without a status."""
        try:
            url = read_url(uri)
            address = checked_address(url, allow_private=self._allow_private)
            return Answer(self._send(url, address, headers, body.encode()))
        except httpcore.TimeoutException:
            return Answer(None, f"no answer within {self._patience:g} seconds")
        except ValueError as error:
            return Answer(None, f"not allowed: {error}")
        except UNREACHABLE as error:
            invalid = [one for one in error.args if isinstance(one, ssl.SSLCertVerificationError)]
            return Answer(None, "its certificate is not valid" if invalid else "the connection failed")
        except OSError:
            return Answer(None, "the host is unknown")

    def _send(self, url: httpcore.URL, address: str, headers: Mapping[str, str], body: bytes) -> int:
        backend, sent = Pinned(address, time.monotonic() + self._patience), list(headers.items())
        with (
            httpcore.ConnectionPool(network_backend=backend) as pool,
            pool.stream("POST", url, headers=sent, content=body) as response,
        ):
            return response.status
