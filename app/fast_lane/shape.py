"""Read requests of the common shape; for anything else, or in doubt, return None: Flask answers it."""

from __future__ import annotations

import re
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

FORMS = frozenset({"application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-8"})
ACCEPTS = frozenset({"*/*", "application/json"})
ODD = ("HTTP_DPOP", "HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_X_HTTP_METHOD_OVERRIDE")
HOST = re.compile(r"([A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?")
BASIC = re.compile(r"Basic ([A-Za-z0-9+/]+={0,2})")
BEARER = re.compile(r"Bearer ([A-Za-z0-9._~+/-]+=*)")
KEY = re.compile(r"[A-Za-z0-9._~+/=-]+")
PLAIN = re.compile(r"(?:[A-Za-z0-9._~*+:/=&-]|%[2-6][0-9A-Fa-f]|%7[0-9A-Ea-e])+")  # escapes of printable ASCII
LENGTH = re.compile(r"[1-9][0-9]{0,3}")  # bytes; most tokens have a few hundred
LONGEST_HOST = 253  # characters


def is_common(environ: WSGIEnvironment) -> bool:
    """Return whether a request has no header that needs special treatment."""
    if environ.get("SCRIPT_NAME"):
        return False
    for odd in ODD:
        if odd in environ:
            return False
    return _is_host(environ.get("HTTP_HOST", ""))


@lru_cache(maxsize=256)
def _is_host(text: str) -> bool:
    return len(text) <= LONGEST_HOST and HOST.fullmatch(text) is not None


def read_body(environ: WSGIEnvironment) -> bytes | None:
    """Return the body of a plain form, and put it back for Flask."""
    length = _read_length(environ.get("CONTENT_LENGTH", ""))
    if (
        environ.get("CONTENT_TYPE") not in FORMS
        or environ.get("QUERY_STRING")
        or environ.get("HTTP_ACCEPT", "*/*") not in ACCEPTS
        or length is None
    ):
        return None
    sent = environ["wsgi.input"]
    if type(sent) is BytesIO:  # read already, and still positioned at its start
        body = sent.getvalue()
    else:
        body = sent.read(length)
        environ["wsgi.input"] = BytesIO(body)
    return body if len(body) == length else None


@lru_cache(maxsize=256)
def _read_length(text: str) -> int | None:
    return int(text) if LENGTH.fullmatch(text) else None


def read_fields(text: str, known: frozenset[str]) -> dict[str, str] | None:
    """Read a plain form or query: known parameters, each once, without the empty ones."""
    if PLAIN.fullmatch(text) is None:
        return None
    pairs = parse_qsl(text, keep_blank_values=True)
    names = {name for name, _ in pairs}
    if len(names) != len(pairs) or not names <= known:
        return None
    return {name: value for name, value in pairs if value}


def read_basic(authorization: str) -> str | None:
    """Return what follows `Basic`, if it is Base64."""
    found = BASIC.fullmatch(authorization)
    return found[1] if found else None


def read_bearer(environ: WSGIEnvironment) -> str | None:
    """Return the one credential that was sent as a Bearer token or an API key."""
    authorization, key = environ.get("HTTP_AUTHORIZATION"), environ.get("HTTP_X_API_KEY")
    if (authorization is None) == (key is None):
        return None
    if key is not None:
        return key if KEY.fullmatch(key) else None
    found = BEARER.fullmatch(authorization or "")
    return found[1] if found else None
