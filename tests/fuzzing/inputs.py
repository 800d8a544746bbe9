"""How the targets turn bytes into inputs, and how they report a violation."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any


def holds(truth: object, *about: object) -> None:
    """Raise AssertionError unless `truth` is true; the message shows `about`."""
    if not truth:
        raise AssertionError(f"violated for {about!r}")


def text_of(data: bytes) -> str:
    """Return the bytes as text; invalid UTF-8 becomes lone surrogates, which JSON can express."""
    return data.decode("utf-8", "surrogateescape")


def header_of(data: bytes) -> str:
    """Return the bytes as the value of a header in a WSGI environment."""
    return data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"").decode("latin-1").strip(" \t")


def query_of(data: bytes) -> str:
    """Return the bytes as a query string in a WSGI environment; the server refuses invalid UTF-8."""
    return header_of(data.decode("utf-8", "ignore").encode())


def environ_of(**given: Any) -> Any:
    """Return a WSGI environment."""
    return {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/oauth/token",
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8080",
        "HTTP_HOST": "127.0.0.1:8080",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(b""),
        "wsgi.input_terminated": True,
    } | given


def tokens_of(data: bytes) -> Iterator[str]:
    """Yield the bytes as a token, and their lines as the three parts of a JWT."""
    yield text_of(data)
    parts = [*data.split(b"\n"), b"", b"", b""][:3]
    yield ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
