"""Send a request to a checked address and read its answer: bounded in size and time, without following a redirect."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpcore  # httpx would load more than the server needs

from app.actions.trust.pinned_connection import Pinned

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers and the whole body


def send_bounded(
    method: str,
    url: httpcore.URL,
    address: str,
    headers: Mapping[str, str],
    content: bytes | None,
    *,
    patience: float,
    largest: int,
) -> Answer:
    """Connect to the address, send, and read the answer within `patience` seconds; raise ValueError beyond `largest`.

    Raise one of `pinned_connection.UNREACHABLE` when the connection fails or is too slow.
    """
    backend = Pinned(address, time.monotonic() + patience)
    sent: list[tuple[bytes | str, bytes | str]] = [*headers.items(), ("Accept-Encoding", "identity")]
    with (
        httpcore.ConnectionPool(network_backend=backend) as pool,
        pool.stream(method, url, headers=sent, content=content) as response,
    ):
        body = b""
        for chunk in response.iter_stream():
            body += chunk
            if len(body) > largest:
                raise ValueError("response is too large")
        return response.status, list(response.headers), body
