"""What WSGI applications around another one share: read its answer to the end, and announce the connection's end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse


def read_body(chunks: Iterable[bytes]) -> bytes:
    """Return the whole body of an answer, and close it.

    Our answers are short; an error in the middle of one must not be sent, and a slow peer must not hold a thread.
    """
    try:
        return b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()


def closing(start_response: StartResponse) -> StartResponse:
    """Add `Connection: close`: the server drops the connection, or the unread rest would pass for the next request."""

    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Any:
        others = [header for header in headers if header[0] != "Connection"]
        return start_response(status, [*others, ("Connection", "close")], exc_info)

    return start
