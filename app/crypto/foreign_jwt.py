"""JWTs that others signed: the assertions of clients, and the tokens of issuers that clients trust (RFC 7523 §3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from app.crypto.access_token import COMPACT
from app.crypto.jws import ALGORITHMS, UNREADABLE, read_header, read_key, verify_signature


def read_signed_claims(
    token: str, keys: Iterable[Mapping[str, Any]], *, other_parameters: bool = False
) -> dict[str, Any] | None:
    """Return the claims if one of these public JWKs signed them; None for anything else.

    Without `other_parameters` the header may have only the parameters of RFC 7515 §4.1. `crit` is always obeyed.
    """
    with suppress(*UNREADABLE):
        header = read_header(token) if COMPACT.fullmatch(token) else {}
        algorithm = header.get("alg")
        if algorithm in ALGORITHMS and _has_valid_header(header, other_parameters=other_parameters):
            return next((claims for key in keys if (claims := _verify(token, key, algorithm)) is not None), None)
    return None


def _verify(token: str, jwk: Mapping[str, Any], algorithm: str) -> dict[str, Any] | None:
    with suppress(*UNREADABLE):
        claims = json.loads(verify_signature(token, read_key(jwk, algorithm), algorithm))
        return claims if isinstance(claims, dict) else None
    return None


def _has_valid_header(header: Mapping[str, Any], *, other_parameters: bool) -> bool:
    if not other_parameters and header.keys() - _PARAMETERS.keys():
        return False
    return all(is_valid(header[name]) for name, is_valid in _PARAMETERS.items() if name in header)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_url(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


_PARAMETERS: Mapping[str, Callable[[object], bool]] = {  # RFC 7515 §4.1, RFC 7797 §3
    "alg": _is_text,
    "jku": _is_url,
    "jwk": lambda value: isinstance(value, dict),
    "kid": _is_text,
    "x5u": _is_url,
    "x5c": _is_list_of_texts,
    "x5t": _is_text,
    "x5t#S256": _is_text,
    "typ": _is_text,
    "cty": _is_text,
    "crit": _is_list_of_texts,
    "b64": lambda value: isinstance(value, bool),
}
