"""Read a password: typed on a terminal, else all of stdin."""

from __future__ import annotations

import sys

import click

from app.cli.standard_streams import print_note
from app.errors import Invalid
from app.settings.text_input import clean_text, decode_utf8, read_stream


def read_password() -> str:
    """Return the password without its line end. Raise Invalid when stdin is empty or does not hold plain text."""
    if sys.stdin is None:
        raise Invalid.field("password", "stdin is closed: pipe the password in, or run this on a terminal")
    try:
        return _prompt() if sys.stdin.isatty() else _read_stdin()
    except UnicodeError:  # its message may hold a part of the password
        raise Invalid.field("password", "is not in the terminal's encoding") from None
    except ValueError as error:
        raise Invalid.field("password", str(error)) from None
    except OSError as error:
        raise Invalid.field("password", f"stdin cannot be read: {error.strerror or type(error).__name__}") from None


def _prompt() -> str:
    prompted: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return clean_text(prompted)


def _read_stdin() -> str:
    password = clean_text(decode_utf8(read_stream(sys.stdin.buffer)))
    if not password:
        raise ValueError("stdin is empty")
    print_note("Read the password from stdin.")
    return password
