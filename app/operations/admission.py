"""Before anything works on a request: its body is here, and one of the few seats is free.

Many threads may wait for bodies, few may work. A body has a size, a deadline and a lowest rate; `reaper.Reaper` ends
what waits for longer, and hurries an address that holds more than its share.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import BytesIO
from threading import get_ident
from typing import TYPE_CHECKING, TypeAlias

from app.operations.request_target import FORWARD_AUTH, SHORT_BODY, closing
from app.seats import Seats

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MOST_WAITING = 1_200  # bodies that one process awaits at once: a thread each
SEAT_PATIENCE = 20.0  # seconds that a request may wait for a free seat
PIECE = 64 * 1024  # bytes of a large body that are read at once
SHORT_LENGTHS = {str(length): length for length in range(SHORT_BODY)}  # a look-up costs less than reading the number
NEVER_READ = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})  # their bodies have no meaning (RFC 9110 §9.3)
ALIVE = "/healthz"  # needs no seat: it answers while all are taken
ARRIVED, GIVEN_UP = "latchkey.arrived", "latchkey.given_up"  # in the environ: bytes so far; that the reaper ended it
UNREAD = "latchkey.unread"  # in the environ: that some of the body was not read
Refusal: TypeAlias = tuple[str, bytes]
TOO_SLOW: Refusal = ("408 Request Timeout", b"The body of the request did not arrive in time.\n")
TOO_MANY: Refusal = ("503 Service Unavailable", b"Too many requests wait for their bodies. Try again.\n")
BUSY: Refusal = ("503 Service Unavailable", b"All worker threads are busy. Try again.\n")


class Admission:
    """A WSGI application in front of another one: it hands on requests that are whole, few at once."""

    def __init__(self, inner: WSGIApplication, seats: Seats, largest: int, prefix: str = "") -> None:
        """Take how large a body may be (bytes), and the path of the issuer, under which all routes are too."""
        self.awaited: dict[int, WSGIEnvironment] = {}  # the requests whose body is awaited, by the thread that waits
        self._inner = inner
        self._seats = seats
        self._largest = largest
        self._by_head = tuple({FORWARD_AUTH, prefix + FORWARD_AUTH})

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request once its body has come, or refuse it."""
        length = SHORT_LENGTHS.get(environ.get("CONTENT_LENGTH", "0"))
        if length is None or "HTTP_TRANSFER_ENCODING" in environ or (length and self._has_none(environ)):
            refusal = self._take_odd_body(environ)
            if refusal is not None:
                return _refuse(refusal, start_response)
            if UNREAD in environ:
                start_response = closing(start_response)
        elif length:
            if len(self.awaited) >= MOST_WAITING:
                return _refuse(TOO_MANY, start_response)
            body = self._read(environ, length)
            if len(body) != length:
                return _refuse(TOO_SLOW, start_response)
            environ["wsgi.input"] = BytesIO(body)
        if environ["PATH_INFO"] == ALIVE:
            return self._inner(environ, start_response)
        seat = self._seats.take(SEAT_PATIENCE)
        if seat is None:
            return _refuse(BUSY, start_response)
        try:
            answer = self._inner(environ, start_response)
            return answer if type(answer) is list else _collect(answer)
        finally:
            self._seats.give_back(seat)

    def _take_odd_body(self, environ: WSGIEnvironment) -> Refusal | None:
        """Replace the input by what came of it; a body that is too large is left for the application to refuse."""
        chunked = "HTTP_TRANSFER_ENCODING" in environ
        length = self._largest + 1 if chunked else int(environ["CONTENT_LENGTH"] or 0)
        if self._has_none(environ):
            environ["wsgi.input"] = BytesIO()
            if length > SHORT_BODY:
                environ[UNREAD] = True
            return None
        if len(self.awaited) >= MOST_WAITING:
            return TOO_MANY
        if length > self._largest and not chunked:
            self._read(environ, self._largest)  # so that the client comes to read the refusal
            environ[UNREAD], environ["wsgi.input"] = True, BytesIO()
            return None
        body = self._read(environ, length)
        environ["wsgi.input"] = BytesIO(body)
        if len(body) == length or (chunked and GIVEN_UP not in environ):
            return None
        return TOO_SLOW  # an unfinished message (RFC 9112 §8)

    def _read(self, environ: WSGIEnvironment, length: int) -> bytes:
        """Wait for the body, or for as much of it as comes until its end."""
        me = get_ident()
        self.awaited[me] = environ
        try:
            body: bytes = environ["wsgi.input"].read(length) if length <= PIECE else _read_pieces(environ, length)
        finally:
            del self.awaited[me]
        return body

    def _has_none(self, environ: WSGIEnvironment) -> bool:
        return environ["REQUEST_METHOD"] in NEVER_READ or environ["PATH_INFO"].startswith(self._by_head)


def _read_pieces(environ: WSGIEnvironment, length: int) -> bytes:
    """Read a large body piece by piece, so that its rate is seen."""
    read, pieces, arrived = environ["wsgi.input"].read, [], 0
    while arrived < length:
        wanted = min(PIECE, length - arrived)
        pieces.append(read(wanted))
        environ[ARRIVED] = arrived = arrived + len(pieces[-1])
        if len(pieces[-1]) < wanted:
            break
    return b"".join(pieces)


def _collect(answer: Iterable[bytes]) -> list[bytes]:
    """Collect an answer while the seat is held: a peer that takes it slowly must not hold the seat."""
    try:
        return [b"".join(answer)]
    finally:
        if hasattr(answer, "close"):
            answer.close()


def _refuse(refusal: Refusal, start_response: StartResponse) -> list[bytes]:
    status, text = refusal
    head = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]
    start_response(status, [*head, ("Connection", "close"), ("Retry-After", "1")])
    return [text]
