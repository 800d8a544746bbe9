"""The claims of our JWTs (RFC 9068 §2.2): how they are written, and how a token's kind is told without I/O."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from app.credentials.kind import Subject, Terms

COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
MAX_LENGTH = 16_384  # characters; ours are a few hundred, and a longer one is neither issued nor accepted


def kind_of(token: str) -> str | None:
    """Name the kind that a compact JWT says it is, unverified; None when it is no such JWT."""
    if len(token) > MAX_LENGTH or COMPACT.fullmatch(token) is None:
        return None
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        return None
    kind = claims.get("credential_type") if isinstance(claims, dict) else None
    return kind if isinstance(kind, str) else None


def write_claims(issuer: str, kind: str, jti: str, subject: Subject, client_id: str, terms: Terms) -> dict[str, Any]:
    """Give the claims to be signed. Times are whole seconds, `iat` never ahead of the clock."""
    assert terms.expires_at is not None  # noqa: S101 - a JWT always ends
    times = {"iat": int(terms.at.timestamp()), "exp": int(terms.expires_at.timestamp())}
    return lasting_claims(issuer, kind, subject, client_id, terms) | times | {"jti": jti}


def lasting_claims(issuer: str, kind: str, subject: Subject, client_id: str, terms: Terms) -> dict[str, Any]:
    """Give those that two tokens of the same terms share."""
    lasting: dict[str, Any] = {
        "iss": issuer,
        "sub": subject.id,
        "aud": terms.audience[0] if len(terms.audience) == 1 else list(terms.audience),
        "client_id": client_id,
        "scope": str(terms.grants.scopes),
        "credential_type": kind,
    }
    cnf = terms.confirmation.members()
    return lasting | {"cnf": cnf} if cnf else lasting


def audience_of(claims: Mapping[str, Any]) -> tuple[str, ...]:
    """Read `aud`, a string for one resource and an array for several."""
    aud = claims["aud"]
    return (aud,) if isinstance(aud, str) else tuple(aud)


def instant_of(claims: Mapping[str, Any], name: str) -> datetime:
    """Read a NumericDate claim as an instant."""
    return datetime.fromtimestamp(claims[name], UTC)
