"""Before anything works on a request: its body is here, or it is refused.

Many threads may wait for bodies. A body has a size, a deadline and a lowest rate; `reaper.Reaper` ends what waits for
longer, and hurries an address that holds more than its share. All long bodies that are kept have a bound together.
"""

from __future__ import annotations

from io import BytesIO
from threading import Lock, get_ident
from typing import TYPE_CHECKING, TypeAlias

from app.http.request_target import FORWARD_AUTH, SHORT_BODY

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MOST_WAITING = 1_200  # bodies that one process awaits at once: a thread each
MOST_BYTES = 64 * 1024 * 1024  # of all bodies that are longer than SHORT_BODY, until they are answered
PIECE = 64 * 1024  # bytes of a large body that are read at once
LONGEST_NUMBER = 12  # digits of a Content-Length that are read: more is too large anyhow
SHORT_LENGTHS = {str(length): length for length in range(SHORT_BODY)}  # a look-up costs less than reading the number
NEVER_READ = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # their bodies have no meaning (RFC 9110 §9.3)
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
        """Take the most bytes of a body, the issuer's decoded path, and how many bodies may be awaited at once."""
        self.awaited: dict[int, WSGIEnvironment] = {}  # the requests whose body is awaited, by the thread that waits
        self.most_waiting = most_waiting
        self._largest = largest
        self._by_head = tuple({FORWARD_AUTH, prefix + FORWARD_AUTH})
        self._kept = 0
        self._counting = Lock()

    def refuse(self, environ: WSGIEnvironment) -> Refusal | None:
        """Wait for the body and put it into the environ; return why the request is refused, None if it is not."""
        length = SHORT_LENGTHS.get(environ.get("CONTENT_LENGTH", "0"))
        if length is None or "HTTP_TRANSFER_ENCODING" in environ or (length and self._has_none(environ)):
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
        """Replace the input by what came of it; a body that is too large is left for the application to refuse."""
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        length = self._largest + 1 if chunked else _read_length(environ["CONTENT_LENGTH"])
        if self._has_none(environ):
            environ["wsgi.input"] = BytesIO()
            if length > SHORT_BODY:
                environ[UNREAD] = True
            return None
        if len(self.awaited) >= self.most_waiting:
            return TOO_MANY
        if length > self._largest and not chunked:
            self._read_pieces(environ, self._largest)  # so that the client comes to read the refusal
            environ[UNREAD], environ["wsgi.input"] = True, BytesIO()
            return None
        body = self._read_pieces(environ, length)
        if body is None:
            return TOO_MANY
        environ["wsgi.input"] = BytesIO(body)
        if len(body) == length or (chunked and GIVEN_UP not in environ):  # the server tells no end from a broken one
            return None
        return TOO_SLOW  # an unfinished message (RFC 9112 §8)

    def _read_pieces(self, environ: WSGIEnvironment, length: int) -> bytes | None:
        """Read a long body piece by piece, so that its rate is seen; None when too many bytes are kept already."""
        me, pieces, arrived = get_ident(), [], 0
        self.awaited[me] = environ
        try:
            while arrived < length:
                wanted = min(PIECE, length - arrived)
                if not self._keep(environ, wanted):
                    return None
                pieces.append(environ["wsgi.input"].read(wanted))
                environ[ARRIVED] = arrived = arrived + len(pieces[-1])
                if len(pieces[-1]) < wanted:
                    break
        finally:
            del self.awaited[me]
        return b"".join(pieces)

    def _keep(self, environ: WSGIEnvironment, length: int) -> bool:
        with self._counting:
            if self._kept + length > MOST_BYTES:
                return False
            self._kept += length
        environ[KEPT] = environ.get(KEPT, 0) + length
        return True

    def release(self, environ: WSGIEnvironment) -> None:
        """Count the body of a request no longer: it is answered."""
        if KEPT in environ:
            with self._counting:
                self._kept -= environ.pop(KEPT)

    def _read(self, environ: WSGIEnvironment, length: int) -> bytes:
        """Wait for a short body, or for as much of it as comes until its end."""
        me = get_ident()
        self.awaited[me] = environ
        try:
            body: bytes = environ["wsgi.input"].read(length)
        finally:
            del self.awaited[me]
        return body

    def _has_none(self, environ: WSGIEnvironment) -> bool:
        return environ["REQUEST_METHOD"] in NEVER_READ or environ["PATH_INFO"].startswith(self._by_head)


def _read_length(text: str) -> int:
    """Read a Content-Length, which the server takes with any number of zeros before it."""
    return int(text.lstrip("0")[:LONGEST_NUMBER] or 0)
