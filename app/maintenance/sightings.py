"""Find our secrets in any bytes, by format and check characters, with bounded memory and offline."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from app.crypto.opaque import hint, prefix_of

PIECE = 1 << 20  # bytes read at a time
NARROW = rb"lk_(?:pat|key|sec|ref|code|dev|reg)_[0-9A-Za-z]{38}"
_WIDE_WORD = rb"(?:p\0a\0t|k\0e\0y|s\0e\0c|r\0e\0f|c\0o\0d\0e|d\0e\0v|r\0e\0g)"
WIDE = rb"l\0k\0_\0" + _WIDE_WORD + rb"\0_\0(?:[0-9A-Za-z]\0){37}[0-9A-Za-z]"  # UTF-16, either byte order
SECRET = re.compile(NARROW + b"|" + WIDE)
LONGEST = 2 * 46  # bytes of the longest match


class Readable(Protocol):
    """A stream that is read in pieces."""

    def read(self, size: int, /) -> bytes:
        """Return at most `size` bytes, none at the end."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A secret of ours, and its line (from 1; in a binary file, one more than the newlines before it)."""

    secret: str = field(repr=False)
    kind: str
    hint: str
    line: int


def sightings(stream: Readable) -> Iterator[Sighting]:
    """Return each secret of ours in the stream, in order and once per place.

    Raise OSError when the stream cannot be read.
    """
    rest, line = b"", 1
    while piece := stream.read(PIECE):
        text = rest + piece
        done = 0
        while match := SECRET.search(text, done):
            line += text.count(b"\n", done, match.start())
            seen = _sighting(match[0], line)
            done = match.end() if seen else match.start() + 1  # an invalid one may contain the start of a valid one
            if seen is not None:
                yield seen
        start = max(done, len(text) - LONGEST + 1)  # of a possible incomplete match
        line += text.count(b"\n", done, start)
        rest = text[start:]


def _sighting(matched: bytes, line: int) -> Sighting | None:
    secret = matched.replace(b"\0", b"").decode("ascii")
    prefix = prefix_of(secret)
    return Sighting(secret, prefix.kind, hint(secret), line) if prefix else None
