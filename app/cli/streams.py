"""The standard streams: whatever their encoding is, and even when one is closed, text can be written to them."""

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

PLAINER = str.maketrans({"→": "->", "…": "..."})  # for an encoding without them


def prepare_streams() -> None:
    """Escape what the encoding of stdout or stderr lacks; keep files and sockets out of closed ones."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # gets the lowest number that is free
    if sys.stderr is None:  # click would print its errors to stdout, and a log line would fail
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def takes_unicode() -> bool:
    """Return whether stdout takes every character as it is."""
    return sys.stdout is None or codecs.lookup(sys.stdout.encoding or "ascii").name.startswith("utf")


def encodable(text: str) -> str:
    """Return `text` with whatever the encoding of stdout lacks escaped, so that its width is known."""
    if takes_unicode():
        return text
    encoding = sys.stdout.encoding or "ascii"
    return text.translate(PLAINER).encode(encoding, "backslashreplace").decode(encoding)


def tell(text: str) -> None:
    """Print to stdout; nothing when it is closed. Raise OSError when it cannot be written."""
    if sys.stdout is not None:
        click.echo(encodable(text), file=sys.stdout)  # without file=, click writes UTF-8 to an ASCII terminal


def say(text: str) -> None:
    """Print to stderr, for a person; that it cannot be written stops nothing."""
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            click.echo(text, file=sys.stderr)


def give_up(stream: TextIO | None) -> None:
    """Discard what cannot be written: Python would try again at exit, and print its own message."""
    if stream is None:
        return
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def refuse_unwritable() -> None:
    """Raise LatchkeyError when stdout is known to take nothing: for what replaces a secret, which cannot be undone."""
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")
        with contextlib.suppress(ValueError):  # no descriptor: it is a test's
            _probe(sys.stdout.fileno())
    except OSError as error:
        raise LatchkeyError(f"nothing was changed: the secret could not be printed ({error.strerror})") from None


@contextlib.contextmanager
def undone_unless_printed(undo: Callable[[], str]) -> Iterator[None]:
    """Run the block, which prints a secret; when stdout does not take it, `undo` ends what it opens and says so.

    Raise LatchkeyError then: nobody may have seen the secret, and who saw a part of it has nothing.
    """
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "stdout is closed")
        yield
        sys.stdout.flush()
    except OSError as error:
        give_up(sys.stdout)
        raise LatchkeyError(f"the secret could not be printed ({error.strerror or error}): {undo()}") from None


def _probe(descriptor: int) -> None:
    """Raise OSError for a full device, a closed pipe or a full disk."""
    os.write(descriptor, b"")  # /dev/full refuses even this
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    if any(found & select.POLLERR for _, found in poll.poll(0)):  # nobody reads the pipe
        raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
    if stat.S_ISREG(os.fstat(descriptor).st_mode) and os.fstatvfs(descriptor).f_bavail == 0:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
