"""The claims of our JWTs (RFC 9068 §2.2): read them, and read the kind that a token names, without I/O."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
MAX_TOKEN_LENGTH = 16_384  # characters of a JWT, ours or an assertion; a longer one is neither issued nor accepted


def kind_of(token: str) -> str | None:
    """Return the kind that a compact JWT names, unverified; None for anything else."""
    if len(token) > MAX_TOKEN_LENGTH or COMPACT.fullmatch(token) is None:
        return None
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    kind = claims.get("credential_type") if isinstance(claims, dict) else None
    return kind if isinstance(kind, str) else None


def audience_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Read `aud`, a string for one resource and an array for several."""
    aud = claims["aud"]
    return (aud,) if isinstance(aud, str) else tuple(aud)


def instant_of(claims: Mapping[str, Any], name: str) -> datetime:
    """Read a NumericDate claim as an instant."""
    return datetime.fromtimestamp(claims[name], UTC)
