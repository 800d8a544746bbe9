"""Print to the standard streams, whatever their encoding and even when they are closed."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import select
import stat
import sys
from collections.abc import Callable, Iterator
from io import TextIOWrapper
from typing import TextIO

import click

from app.errors import LatchkeyError

ASCII_FORMS = str.maketrans({"→": "->", "…": "..."})  # for an encoding that lacks them


def prepare_streams() -> None:
    """Escape what the encoding of stdout or stderr lacks; keep the descriptors of closed streams occupied."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # takes the lowest free number
    if sys.stderr is None:  # click would print its errors to stdout, and a log line would fail
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def takes_unicode() -> bool:
    """Return whether the encoding of stdout has every character."""
    return sys.stdout is None or codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")


def escape_unencodable(text: str) -> str:
    """Escape what the encoding of stdout lacks, so that the width of the text is known."""
    if takes_unicode():
        return text
    encoding = sys.stdout.encoding or "ascii"
    return text.translate(ASCII_FORMS).encode(encoding, "backslashreplace").decode(encoding)


def print_line(text: str) -> None:
    """Print a line to stdout, unless that is closed. Raise OSError when it cannot be written."""
    if sys.stdout is not None:
        click.echo(escape_unencodable(text), file=sys.stdout)  # without file=, click writes UTF-8 to an ASCII terminal


def print_note(text: str) -> None:
    """Print a line to stderr, for a person; ignore an error in writing it."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            click.echo(text, file=sys.stderr)


def discard_unwritten(stream: TextIO | None) -> None:
    """Discard what could not be written: Python would try again at exit, and print a message of its own."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def refuse_unwritable() -> None:
    """Raise LatchkeyError when stdout cannot be written. Call it before replacing a secret, which cannot be undone."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")
        with contextlib.suppress(ValueError):  # a test's stdout has no descriptor
            _probe(sys.stdout.fileno())
    except OSError as error:
        raise LatchkeyError(f"nothing was changed: the secret could not be printed ({error.strerror})") from None


@contextlib.contextmanager
def undo_unless_printed(undo: Callable[[], str]) -> Iterator[None]:
    """Run the block, which prints a secret; when that fails, call `undo`, which revokes it and returns what it did.

    Raise LatchkeyError then. A secret that was only partly printed is revoked too.
    """
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")
        yield
        sys.stdout.flush()
    except OSError as error:
        discard_unwritten(sys.stdout)
        raise LatchkeyError(f"the secret could not be printed ({error.strerror or error}): {undo()}") from None


def _probe(descriptor: int) -> None:
    """Raise OSError for a full device, a pipe without a reader or a full disk."""
    os.write(descriptor, b"")  # /dev/full refuses even this
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if any(found & select.POLLERR for _, found in poll.poll(0)):  # the pipe has no reader
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and os.fstatvfs(descriptor).f_bavail == 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
