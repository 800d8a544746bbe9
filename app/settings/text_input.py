"""Text from a file, a pipe or the environment: the same rules for all of it."""

from __future__ import annotations

import codecs
import stat
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import BinaryIO, TypeVar

MAX_BYTES = 1024 * 1024  # a device such as /dev/zero never ends
REFUSED = {"Cc", "Cs", "Zl", "Zp"}  # Unicode categories: controls, surrogates, line and paragraph separators
BYTE_ORDER_MARK = "\ufeff"
LONGEST_SHOWN = 40  # characters of a name
ValueT = TypeVar("ValueT")


def lower_names(values: Mapping[str, ValueT]) -> dict[str, ValueT]:
    """Return the values by their names in small letters; raise ValueError for a name that is there in two spellings."""
    lower: dict[str, ValueT] = {}
    for name, value in values.items():
        if name.lower() in lower:
            raise ValueError(f"{ascii(name.lower()[:LONGEST_SHOWN])[1:-1]} is set twice, in different spellings")
        lower[name.lower()] = value
    return lower


def clean_text(text: str) -> str:
    """Return the text without a byte order mark at its start and line ends at its end.

    Raise ValueError, which does not show the text, when a control character is left.
    """
    bare = text.removeprefix(BYTE_ORDER_MARK).rstrip("\r\n")
    for place, character in enumerate(bare, 1):
        if unicodedata.category(character) == "Cs":  # how Python keeps bytes of the environment that are not UTF-8
            raise ValueError("is not UTF-8 text")
        if unicodedata.category(character) in REFUSED or character == BYTE_ORDER_MARK:
            raise ValueError(f"has a control character (U+{ord(character):04X}, its character {place}): remove it")
    return bare


def decode_utf8(raw: bytes) -> str:
    """Return UTF-8 as text, without a byte order mark; raise ValueError that names the line that is not UTF-8."""
    try:
        return raw.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ValueError("is not UTF-8 text" + (f" (line {line})" if b"\n" in error.object else "")) from None


def read_stream(stream: BinaryIO) -> bytes:
    """Return all bytes to the end of the stream; raise ValueError when they are more than MAX_BYTES."""
    raw = stream.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES} bytes")
    return raw


def read_file(path: Path) -> bytes:
    """Return the bytes of a file; raise FileNotFoundError, or ValueError that says why it cannot be read."""
    try:
        with path.open("rb") as file:
            return read_stream(file)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or type(error).__name__}") from None


def read_once(path: Path) -> bytes:
    """Return the bytes of a file as `read_file` does; a pipe is read once and kept.

    The workers that are forked from this process read the settings again.
    """
    return read_file(path) if stat.S_ISREG(_file_mode(path)) else _keep(path)


@cache
def _keep(path: Path) -> bytes:
    return read_file(path)


def _file_mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or type(error).__name__}") from None
