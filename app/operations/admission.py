"""Read the whole body of a request before any work on it, or refuse the request.

Many threads may wait for bodies. A body has a maximum size, a deadline and a minimum rate; `reaper.Reaper` ends
overdue waits, and shortens the deadline of an address with more than its share. The long bodies in memory have a
common bound.
"""

from __future__ import annotations

from io import BytesIO
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeAlias

from app.operations.paths import FORWARD_AUTH

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

SHORT_BODY = 4_096  # bytes, which arrive together with the headers
MOST_WAITING = 1_200  # bodies that one process awaits at once: a thread each
MOST_BYTES = 64 * 1024 * 1024  # of all bodies that are longer than SHORT_BODY, until they are answered
PIECE = 64 * 1024  # bytes of a large body that are read at a time
LONGEST_NUMBER = 12  # digits of a Content-Length that are read: a longer one is too large anyway
SHORT_LENGTHS = {str(length): length for length in range(SHORT_BODY)}  # a look-up is faster than parsing the number
NEVER_READ = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # methods whose body has no meaning (RFC 9110 §9.3)
ARRIVED = "latchkey.arrived"  # in the environ: how many bytes of the body have come
GIVEN_UP = "latchkey.given_up"  # … that the reaper ended the wait for it
UNREAD = "latchkey.unread"  # … that some of it was not read
KEPT = "latchkey.kept"  # … how many bytes count towards MOST_BYTES
Refusal: TypeAlias = tuple[str, bytes]
TOO_SLOW: Refusal = ("408 Request Timeout", b"The body of the request did not arrive in time.\n")
TOO_MANY: Refusal = ("503 Service Unavailable", b"Too many requests wait for their bodies. Try again.\n")


class Admission:
    """Reads the body of each request before any work begins."""

    def __init__(self, largest: int, prefix: str = "", most_waiting: int = MOST_WAITING) -> None:
        """Store the bounds; `largest` is bytes of a body, `prefix` the issuer's decoded path."""
        self.awaited: dict[int, WSGIEnvironment] = {}  # requests by the id of the thread that waits for their body
        self.most_waiting = most_waiting
        self._largest = largest
        self._bodiless_paths = tuple({FORWARD_AUTH, prefix + FORWARD_AUTH})
        self._kept_bytes = 0
        self._counting = Lock()

    def refuse(self, environ: WSGIEnvironment) -> Refusal | None:
        """Wait for the body and put it into the environ; return the refusal, None to go on."""
        length = SHORT_LENGTHS.get(environ.get("CONTENT_LENGTH", "0"))
        if length is None or "HTTP_TRANSFER_ENCODING" in environ or (length and self._has_no_body(environ)):
            return self._take_odd_body(environ)
        if length:
            if len(self.awaited) >= self.most_waiting:
                return TOO_MANY
            body = self._read(environ, length)
            if len(body) != length:
                return TOO_SLOW
            environ["wsgi.input"] = BytesIO(body)
        return None

    def _take_odd_body(self, environ: WSGIEnvironment) -> Refusal | None:
        """Read a long or chunked body; one that is too large is left for the application to refuse."""
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        length = self._largest + 1 if chunked else _read_length(environ["CONTENT_LENGTH"])
        if self._has_no_body(environ):
            environ["wsgi.input"] = BytesIO()
            if length:
                environ[UNREAD] = True  # even a short body may arrive after the answer
            return None
        if len(self.awaited) >= self.most_waiting:
            return TOO_MANY
        if length > self._largest and not chunked:
            self._read_pieces(environ, self._largest)  # so that the client reads the refusal
            environ[UNREAD], environ["wsgi.input"] = True, BytesIO()
            return None
        body = self._read_pieces(environ, length)
        if body is None:
            return TOO_MANY
        environ["wsgi.input"] = BytesIO(body)
        if len(body) == length or (chunked and GIVEN_UP not in environ):  # the server hides whether it was cut off
            return None
        return TOO_SLOW  # an unfinished message (RFC 9112 §8)

    def _read_pieces(self, environ: WSGIEnvironment, length: int) -> bytes | None:
        """Read a long body piece by piece, so that its rate is known; return None beyond MOST_BYTES."""
        thread, pieces, arrived = get_ident(), [], 0
        self.awaited[thread] = environ
        try:
            while arrived < length:
                wanted = min(PIECE, length - arrived)
                if not self._reserve(environ, wanted):
                    return None
                pieces.append(environ["wsgi.input"].read(wanted))
                environ[ARRIVED] = arrived = arrived + len(pieces[-1])
                if len(pieces[-1]) < wanted:
                    break
        finally:
            del self.awaited[thread]
        return b"".join(pieces)

    def _reserve(self, environ: WSGIEnvironment, length: int) -> bool:
        with self._counting:
            if self._kept_bytes + length > MOST_BYTES:
                return False
            self._kept_bytes += length
        environ[KEPT] = environ.get(KEPT, 0) + length
        return True

    def release(self, environ: WSGIEnvironment) -> None:
        """Stop counting the body of a request that is answered."""
        if KEPT in environ:
            with self._counting:
                self._kept_bytes -= environ.pop(KEPT)

    def _read(self, environ: WSGIEnvironment, length: int) -> bytes:
        """Wait for a short body; return less when it is cut off."""
        thread = get_ident()
        self.awaited[thread] = environ
        try:
            body: bytes = environ["wsgi.input"].read(length)
        finally:
            del self.awaited[thread]
        return body

    def _has_no_body(self, environ: WSGIEnvironment) -> bool:
        return environ["REQUEST_METHOD"] in NEVER_READ or environ["PATH_INFO"].startswith(self._bodiless_paths)


def _read_length(text: str) -> int:
    """Parse a Content-Length, which the server accepts with any number of leading zeros."""
    return int(text.lstrip("0")[:LONGEST_NUMBER] or 0)
