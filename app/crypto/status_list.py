"""Token status lists (draft-ietf-oauth-status-list): where a JWT's status is published, and how a list is written."""

from __future__ import annotations

import base64
import re
import secrets
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from app.database.types import new_id

TYPE = "statuslist+jwt"  # section 5.1
MEDIA_TYPE = f"application/{TYPE}"
BITS = 1  # of an index: 0 is valid, 1 is invalid (section 7.1)


DIGITS = 5  # hexadecimal, of a list's number and of an index
MOST = 16**DIGITS
RANDOM_BYTES = 6  # at the end of a jti, after the time, the list and the index
_POSITION = rf"([0-9a-f]{{{DIGITS}}})"
_JTI = re.compile(rf"[a-z0-9]+_[0-9a-f]{{11}}{_POSITION}{_POSITION}[0-9a-f]{{{2 * RANDOM_BYTES}}}")


@dataclass(frozen=True, slots=True)
class StatusReference:
    """An index of a list, and the address of the list (section 6)."""

    uri: str
    number: int  # of the list
    idx: int

    def claim(self) -> dict[str, Any]:
        """Return the value of the claim `status`."""
        return {"status_list": {"idx": self.idx, "uri": self.uri}}

    def digits(self) -> str:
        """Return list and index as a jti has them."""
        return f"{self.number:0{DIGITS}x}{self.idx:0{DIGITS}x}"


def new_jti(prefix: str, status: StatusReference | None) -> str:
    """Return a fresh jti that sorts by its time and names its index, so that the jti alone is enough to revoke it."""
    if status is None:
        return new_id(prefix)
    milliseconds = time.time_ns() // 1_000_000
    return f"{prefix}_{milliseconds:011x}{status.digits()}{secrets.token_hex(RANDOM_BYTES)}"


def index_of(jti: str) -> tuple[int, int] | None:
    """Return the list's number and the index that a jti names; None for one from before there were status lists."""
    found = _JTI.fullmatch(jti)
    return (int(found[1], 16), int(found[2], 16)) if found else None


def list_path(number: int) -> str:
    """Return the last part of a list's address."""
    return f"{number:0{DIGITS}x}"


def set_bits(capacity: int, invalid: Iterable[int]) -> bytes:
    """Return a list of `capacity` indexes as bytes, the lowest bit of a byte first (section 4.1)."""
    bits = bytearray(capacity // 8)
    for index in invalid:
        bits[index >> 3] |= 1 << (index & 7)
    return bytes(bits)


def list_member(bits: bytes) -> dict[str, Any]:
    """Return the claim `status_list`: compressed by DEFLATE in the ZLIB format (section 4.2)."""
    compressing = zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_RLE)  # for few set bits: faster, and smaller
    packed = base64.urlsafe_b64encode(compressing.compress(bits) + compressing.flush()).rstrip(b"=")
    return {"bits": BITS, "lst": packed.decode()}
