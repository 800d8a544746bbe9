"""What the targets make of the bytes that they are given, and how they say that something does not hold."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from io import BytesIO
from typing import Any


def holds(truth: object, *about: object) -> None:
    """Raise unless something is as it must be."""
    if not truth:
        raise AssertionError(f"it does not hold of {about!r}")


def text_of(data: bytes) -> str:
    """Give any text, halves of surrogate pairs too, as JSON can spell them."""
    return data.decode("utf-8", "surrogateescape")


def header_of(data: bytes) -> str:
    """Give a header's value as a server hands it over."""
    return data.replace(b"\r", b"").replace(b"\n", b"").replace(b"\0", b"").decode("latin-1").strip(" \t")


def query_of(data: bytes) -> str:
    """Give a query as a server hands it over: it takes no bytes that are not UTF-8."""
    return header_of(data.decode("utf-8", "ignore").encode())


def environ_of(**given: Any) -> Any:
    """Give a WSGI environment."""
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
    """Give the bytes as a token as they are, and as the parts of one."""
    yield text_of(data)
    parts = [*data.split(b"\n"), b"", b"", b""][:3]
    yield ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
